"""Peak memory of a training step, ours and the plain one: running this module measures one, in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arc_pipeline.arc.experiment import Tuning
from arc_pipeline.bench.examples import FEW_LAYERS, bench_experiment, bench_model
from arc_pipeline.bench.timing import row
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.machine.memory import peak_resident_memory, resident_memory
from arc_pipeline.machine.process import end_with_parent

Batch = Sequence[dict[str, Any]]


def memory_row(method: str, batch: Batch) -> dict[str, Any]:
    """Megabytes above what the loaded model takes."""
    ours, reference = (_of_child(step, method, batch) for step in ("ours", "reference"))
    check = "gradients among them, each step in a fresh process"
    return row(f"peak memory of a step, supervise: answer, {method}", ours, reference, reference / ours, "MB", check)


def _of_child(step: str, method: str, batch: Batch) -> float:
    command = [sys.executable, "-m", __name__, step, method]
    done = subprocess.run(command, input=json.dumps(batch), capture_output=True, text=True)
    if done.returncode:
        raise ArcPipelineError(f"the measurement of memory failed: {done.stderr[-1000:]}")
    return float(done.stdout)


def peak_megabytes(name: str, method: str, batch: Batch) -> float:
    """Peak memory of one step above what this process holds; a step on short examples has loaded all code before."""
    import torch

    from arc_pipeline.bench.train_steps import plain_step, project_step
    from arc_pipeline.model.weights.loading import with_adapter
    from arc_pipeline.model.weights.tokenization import tiny_tokenizer

    model, experiment = bench_model(FEW_LAYERS), bench_experiment("answer", len(batch))
    model = with_adapter(model, Tuning(method="lora"), seed=0) if method == "lora" else model
    step = plain_step(model) if name == "reference" else project_step(model, tiny_tokenizer(), experiment)
    step([{key: values[-16:] for key, values in example.items()} for example in batch])
    model.zero_grad()
    if torch.cuda.is_available():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step(batch)
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    before = resident_memory()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of loading
    step(batch)
    return (peak_resident_memory() - before) / 1e6


if __name__ == "__main__":
    end_with_parent()
    print(peak_megabytes(*sys.argv[1:], json.load(sys.stdin)))
