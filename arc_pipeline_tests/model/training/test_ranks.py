"""Two processes train what one trains."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from arc_pipeline.model.weights.checkpoint import read_log

PROGRAM = Path(__file__).parent / "recorded_training.py"
FIELDS = {"max_steps": 50, "batch_size": 16, "logging_steps": 1, "precision": "fp32", "learning_rate": 1e-3}
FIELDS |= {"validation": [{"dataset": "d"}], "eval_steps": 10}
pytestmark = pytest.mark.drill


def train(job: Path, processes: int) -> str:
    """Trains in as many processes; returns what they said."""
    record = job.parent / "record"
    record.mkdir()
    launch = ["--multi_gpu", f"--num_processes={processes}", "--main_process_port=0"] if processes > 1 else []
    accelerate = [sys.executable, "-m", "accelerate.commands.launch", *launch, "--num_machines=1"]
    command = [*accelerate, "--mixed_precision=no", "--dynamo_backend=no", str(PROGRAM), str(record), str(job)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_two_processes_train_what_one_trains(tmp_path: Path, make_job: Callable[..., Path]) -> None:
    said = [train(make_job(tmp_path / str(n), processes=n, **FIELDS), n) for n in (1, 2)]
    one, two = (read_log(tmp_path / str(n) / "output").to_pylist() for n in (1, 2))
    assert [row["step"] for row in two] == list(range(1, 51))
    assert [text.count("step 7/50, loss") for text in said] == [1, 1]
    for name in ("loss", "eval_loss"):
        assert [row[name] for row in two] == [each and pytest.approx(each, abs=1e-5) for each in (r[name] for r in one)]
    weights = [load_file(tmp_path / str(n) / "output/model.safetensors") for n in (1, 2)]
    assert max(float((weights[0][name] - weights[1][name]).abs().max()) for name in weights[0]) < 1e-4

    rendered = [set(map(int, (tmp_path / "2/record" / rank).read_text().split())) for rank in ("0", "1")]
    checked = set(range(0, 800, 100))  # the saved tokenizer is compared on these by the first rank
    assert rendered[0] - checked == {each for each in range(800) if each % 16 < 8} - checked
    assert rendered[1] == {each for each in range(800) if each % 16 >= 8}
