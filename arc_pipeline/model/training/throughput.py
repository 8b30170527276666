"""How long a training takes and how fast it goes, also across interruptions, and how people are told so.

Knows steps and rows of a log, not what they compute. Imports no torch.
"""

import time
from typing import Any

import numpy as np

from arc_pipeline.machine.durations import readable_duration
from arc_pipeline.uncounted import uncounted

uncounted("tells how long a training takes")


class Meter:
    """Seconds and tokens since the last reading; `lengths` has the tokens of every example of the training."""

    def __init__(self, lengths: np.ndarray, batch_size: int) -> None:
        self._tokens = np.concatenate([[0], lengths.cumsum(dtype=np.int64)])
        self._batch_size = batch_size

    def start(self, step: int, seconds: float) -> None:
        """Begins after `step`, which took `seconds` in former processes."""
        self._first_step = self._last_step = step
        self._before, self._started = seconds, time.monotonic()
        self._last_read = self._started

    def read(self, step: int, max_steps: int) -> dict[str, Any]:
        """Times of a row of the log."""
        now = time.monotonic()
        elapsed, tokens = now - self._started, self._seen(step) - self._seen(self._last_step)
        speed = tokens / max(now - self._last_read, 1e-9)
        self._last_step, self._last_read = step, now
        left = elapsed / max(step - self._first_step, 1) * (max_steps - step)
        return {"seconds": self._before + elapsed, "seconds_left": left, "tokens_per_second": speed}

    def _seen(self, step: int) -> int:
        return int(self._tokens[step * self._batch_size])


def progress_line(row: dict[str, Any]) -> str:
    """One row of the log as a line of text."""
    if "message" in row:
        return str(row["message"])
    if "adapter" in row:
        place = f"task {row['number']}/{row['of']}, {row['adapter']}"
        left = readable_duration(row["seconds_left"])
        return f"{place}: loss {row['first_loss']:.4f} -> {row['loss']:.4f}, {left} left"
    if "step" not in row:
        return ", ".join(f"{value:,} {key}" for key, value in row.items())
    place = f"step {row['step']}/{row['max_steps']}"
    if "loss" not in row:
        return f"{place}, validation loss {row['eval_loss']:.4f}"
    speed = f"{row['tokens_per_second']:,.0f} tokens/s"
    return f"{place}, loss {row['loss']:.4f}, {speed}, {readable_duration(row['seconds_left'])} left"
