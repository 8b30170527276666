"""Peak memory of a training step by either way, each in a process of its own: running this module measures one."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arc_pipeline.arc.experiment import Tuning
from arc_pipeline.bench.cases import FEW_LAYERS, an_experiment, random_model
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.machine.memory import process_memory
from arc_pipeline.machine.process import end_with_parent

Batch = Sequence[dict[str, Any]]


def memory_row(method: str, batch: Batch) -> dict[str, Any]:
    """Megabytes above what the loaded model takes."""
    from arc_pipeline.bench.training import row

    ours, reference = (_of_child(way, method, batch) for way in ("ours", "reference"))
    check = "gradients among them, each way in a fresh process"
    return row(f"peak memory of a step, supervise: answer, {method}", ours, reference, reference / ours, "MB", check)


def _of_child(way: str, method: str, batch: Batch) -> float:
    command = [sys.executable, "-m", __name__, way, method]
    done = subprocess.run(command, input=json.dumps(batch), capture_output=True, text=True)
    if done.returncode:
        raise ArcPipelineError(f"the measurement of memory failed: {done.stderr[-1000:]}")
    return float(done.stdout)


def peak_megabytes(way: str, method: str, batch: Batch) -> float:
    """Peak memory of one step above what this process holds; a step on short examples has loaded all code before."""
    import torch

    from arc_pipeline.bench.train_steps import plain_way, project_way
    from arc_pipeline.model.weights.loading import with_adapter
    from arc_pipeline.model.weights.tokenization import tiny_tokenizer

    model, experiment = random_model(FEW_LAYERS), an_experiment("answer", len(batch))
    model = with_adapter(model, Tuning(method="lora"), seed=0) if method == "lora" else model
    step = plain_way(model) if way == "reference" else project_way(model, tiny_tokenizer(), experiment)
    step([{key: values[-16:] for key, values in example.items()} for example in batch])
    model.zero_grad()
    if torch.cuda.is_available():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step(batch)
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    before = process_memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of loading
    step(batch)
    return (process_memory("VmHWM") - before) / 1e6


if __name__ == "__main__":
    end_with_parent()
    print(peak_megabytes(*sys.argv[1:], json.load(sys.stdin)))
