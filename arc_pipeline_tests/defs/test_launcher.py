"""Every way to interrupt a step ends all its ranks, with a stand-in for the training and real processes.

The executor of the code location is in-process: the step's worker and the run's are one process, `worker` below.
"""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arc_pipeline.defs.launcher import accelerate_command

ROOT = Path(__file__).parents[2]
# ends with its parent, as the training program does, and does nothing but say which process it is
STAND_IN = """
    from arc_pipeline.machine.process import end_with_parent
    end_with_parent()
    import os, sys, time
    from pathlib import Path
    pid = Path(sys.argv[1], f"rank-{os.environ.get('RANK', '0')}.pid")
    pid.with_suffix(".new").write_text(str(os.getpid()))
    pid.with_suffix(".new").rename(pid)
    time.sleep(600)
"""
WORKER = """
    import sys
    from pathlib import Path
    import dagster as dg
    from arc_pipeline.machine.accelerator import accelerator
    from arc_pipeline.defs.launcher import accelerate_command, run_group

    HERE = Path(__file__).parent

    @dg.asset
    def trained(context: dg.AssetExecutionContext) -> None:
        with accelerator(HERE, print) as held:
            command = accelerate_command("stand_in", [str(HERE)], int(sys.argv[1]))
            run_group(context, command, HERE / "output.log", held, {})

    if __name__ == "__main__":
        dg.materialize([trained], raise_on_error=False)
"""


class Worker:
    """A process that runs the step, once its ranks are there."""

    def __init__(self, place: Path, ranks: int, eventually: Callable[..., object]) -> None:
        (place / "stand_in.py").write_text(textwrap.dedent(STAND_IN))
        (place / "worker.py").write_text(textwrap.dedent(WORKER))
        path = os.pathsep.join([str(place), str(ROOT)])
        command = [sys.executable, str(place / "worker.py"), str(ranks)]
        with (place / "worker.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, "PYTHONPATH": path}, stdout=log, stderr=log, start_new_session=True
            )
        self.pids = [int(eventually(lambda rank=rank: _read(place / f"rank-{rank}.pid"))) for rank in range(ranks)]

    def launcher(self) -> int:
        """The process that started the first rank."""
        status = Path(f"/proc/{self.pids[0]}/status").read_text()
        return int(status.split("PPid:")[1].split()[0])

    def kill(self) -> None:
        """Whatever became of it."""
        self.process.kill()
        self.process.wait()


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _lives(pid: int) -> bool:
    """A zombie, which nobody in this container may reap, is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in {"Z", "X"}
    except OSError:
        return False


@pytest.fixture(params=[1, 2], ids=["one rank", "two ranks"])
def worker(request: pytest.FixtureRequest, tmp_path: Path, eventually: Callable[..., object]) -> Iterator[Worker]:
    started = Worker(tmp_path, request.param, eventually)
    yield started
    started.kill()


@pytest.mark.parametrize(
    ("victim", "number"),
    [("worker", signal.SIGINT), ("worker", signal.SIGKILL), ("launcher", signal.SIGKILL)],
    ids=["Ctrl-C", "worker killed", "accelerate killed"],
)
def test_every_rank_ends(victim: str, number: int, worker: Worker, eventually: Callable[..., object]) -> None:
    launcher, started = worker.launcher(), time.monotonic()
    os.kill(worker.process.pid if victim == "worker" else launcher, number)
    eventually(lambda: not any(map(_lives, [launcher, *worker.pids])), 60)
    assert time.monotonic() - started < 20
    eventually(lambda: worker.process.poll() is not None, 60)


# what may lie in the cache of a user who works with accelerate, as `accelerate config` writes it
DEEPSPEED = {"distributed_type": "DEEPSPEED", "deepspeed_config": {"zero_stage": 3}, "mixed_precision": "fp16"}
FSDP = {"distributed_type": "FSDP", "fsdp_config": {"fsdp_version": 2}, "num_machines": 2, "main_process_port": 1}
ONE_GPU = {"distributed_type": "MULTI_GPU", "gpu_ids": "0", "dynamo_config": {"dynamo_backend": "INDUCTOR"}}
SAYS_ITS_ENVIRONMENT = """
import json, os, sys
from pathlib import Path
Path(sys.argv[1], os.environ.get("RANK", "0") + ".json").write_text(json.dumps(dict(os.environ)))
"""


@pytest.mark.parametrize(("config", "ranks"), [(DEEPSPEED, 1), (FSDP, 1), (FSDP, 2), (ONE_GPU, 2)])
def test_the_user_s_configuration_of_accelerate_is_not_ours(
    config: dict[str, object], ranks: int, tmp_path: Path
) -> None:
    (tmp_path / "stand_in.py").write_text(SAYS_ITS_ENVIRONMENT)
    cache = tmp_path / "accelerate"
    cache.mkdir()
    (cache / "default_config.yaml").write_text(json.dumps({"compute_environment": "LOCAL_MACHINE", **config}))
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    environment = {**os.environ, "HF_HOME": str(tmp_path), "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "0,1"}
    command = accelerate_command("stand_in", [str(tmp_path)], ranks)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert {each.get("WORLD_SIZE", "1") for each in said} == {str(len(said))} == {str(ranks)}
    for each in said:
        assert each["ACCELERATE_MIXED_PRECISION"] == each["ACCELERATE_DYNAMO_BACKEND"].lower() == "no"
        assert each["CUDA_VISIBLE_DEVICES"] == "0,1"
        assert not [name for name in each if name.startswith(("ACCELERATE_USE_DEEP", "ACCELERATE_USE_FSDP", "FSDP_"))]
