"""A training through a real one-node Slurm, which the test starts: to the end, preempted, cancelled, refused."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from arc_pipeline.cli.app import app
from arc_pipeline.defs.machines import slurm
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.trace import chain_lines, lineage_chain

ROOT = Path(__file__).parents[3]
COMMANDS = ("slurmctld", "slurmd", "sbatch")
pytestmark = [
    pytest.mark.drill,
    pytest.mark.skipif(
        not all(map(shutil.which, COMMANDS)) or os.geteuid() != 0,
        reason="needs root and Debian's slurmctld, slurmd, slurm-client",
    ),
]
MACHINES = {"machines": {"cluster": {"engine": "slurm", "partition": "main"}}, "assets": {"checkpoint": "cluster"}}
CONFIGURATION = """
    ClusterName=one
    SlurmctldHost={host}(127.0.0.1)
    AuthType=auth/none
    CredType=cred/none
    SlurmUser=root
    SlurmdUser=root
    SlurmctldPort={port}
    SlurmdPort={other_port}
    StateSaveLocation={place}/state
    SlurmdSpoolDir={place}/spool
    SlurmctldPidFile={place}/slurmctld.pid
    SlurmdPidFile={place}/slurmd.pid
    SlurmctldLogFile={place}/slurmctld.log
    SlurmdLogFile={place}/slurmd.log
    ProctrackType=proctrack/linuxproc
    TaskPlugin=task/none
    JobAcctGatherType=jobacct_gather/none
    AccountingStorageType=accounting_storage/none
    SelectType=select/cons_tres
    SelectTypeParameters=CR_Core
    SwitchType=switch/none
    MpiDefault=none
    ReturnToService=2
    KillWait=30
    PreemptMode=REQUEUE
    PreemptType=preempt/partition_prio
    NodeName={host} NodeAddr=127.0.0.1 CPUs=1 State=UNKNOWN
    PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
    PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=9
"""
WORKER = "import sys; from arc_pipeline.cli.app import main; sys.argv[0] = 'arc-pipeline'; main()"


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, eventually: Callable[..., object]) -> Iterator[Path]:
    """The directory of a running Slurm of one core."""
    place = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (place / name).mkdir()
    conf = place / "slurm.conf"
    host = socket.gethostname().split(".")[0]
    text = CONFIGURATION.format(host=host, place=place, port=free_port(), other_port=free_port())
    conf.write_text(textwrap.dedent(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(conf))
        daemons = [
            subprocess.Popen([name, "-D", "-f", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for name in ("slurmctld", "slurmd")
        ]
        eventually(lambda: "idle" in subprocess.run(["sinfo", "-h", "-o%T"], capture_output=True, text=True).stdout)
        yield place
        subprocess.run(["scancel", "--signal=KILL", "--full", "--user=root"], capture_output=True)
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait()


@pytest.fixture
def sent(project: Any, cluster: Path) -> Any:
    """A project whose trainings go there."""
    (project.data / "machines.yaml").write_text(yaml.safe_dump(MACHINES))
    return project


def start(project: Any) -> "subprocess.Popen[bytes]":
    """`refresh` of one experiment up to its checkpoint, in a process of its own."""
    command = [sys.executable, "-c", WORKER, "refresh", "--yes", "--select", "checkpoint[one]"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (project.data / "refresh.log").open("ab") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)


def record(project: Any) -> Any:
    """That of the checkpoint."""
    return project.load().project.store.lineage(Artefact("checkpoint", "one"))


def job() -> str:
    """The one that is queued or runs."""
    return slurm.slurm("squeue", "-h", "--name=" + name, "-o%i") if (name := names()) else ""


def names() -> str:
    return next((line for line in slurm.slurm("squeue", "-h", "-o%200j").split() if line.startswith("arc-one-")), "")


def test_a_training_has_the_same_weights_as_here_and_says_where_it_ran(sent: Any) -> None:
    sent.write("one")
    session = sent.load()
    assert not [each.failed for each in session.refresh(["checkpoint[one]"]) if each.failed]
    there = record(sent)
    assert there.environment["ran_on"]["machine"] == "cluster"
    assert there.environment["ran_on"]["host"] == socket.gethostname()
    chain = "\n".join(chain_lines(lineage_chain(session.store, Artefact("checkpoint", "one"))))
    assert f"on cluster: slurm job {there.environment['ran_on']['job']} on {socket.gethostname()}" in chain
    listed = CliRunner().invoke(app, ["machines", "--json"])
    assert [row["reachable"] for row in json.loads(listed.stdout)] == [True, True]
    (sent.data / "machines.yaml").unlink()
    assert sent.load().refresh(["checkpoint[one]"]) == []  # another machine makes nothing stale
    shutil.rmtree(sent.data / "store")
    assert not [each.failed for each in sent.load().refresh(["checkpoint[one]"]) if each.failed]
    here = record(sent)
    assert (here.data_version, here.code_version) == (there.data_version, there.code_version)


def test_a_preempted_training_saves_and_goes_on_and_a_killed_dagster_follows_it(
    sent: Any, eventually: Callable[..., object]
) -> None:
    sent.write("one", max_steps=400, save_steps=400, logging_steps=5)
    process = start(sent)
    log = lambda: "".join(path.read_text() for path in sent.data.rglob("pipes-messages"))  # noqa: E731
    eventually(lambda: "step 5/" in log())
    first = job()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    urgent = slurm.slurm("sbatch", "--parsable", "-purgent", "--output=/dev/null", "--wrap=sleep 1")
    again = start(sent)
    assert again.wait(timeout=300) == 0, (sent.data / "refresh.log").read_text()
    assert urgent != first
    said = (sent.data / "refresh.log").read_text()
    assert f"Slurm job {first} of this training is there already" in said
    assert record(sent).environment["ran_on"]["job"] == first
    assert record(sent).metadata["steps"] == 400
    assert "the training resumes from" in said  # no state but that of the preemption is saved before the end


def test_a_cancel_ends_the_job(sent: Any, eventually: Callable[..., object]) -> None:
    sent.write("one", max_steps=5000)
    process = start(sent)
    eventually(lambda: job() and slurm.state_of(job()) == "RUNNING")
    running = job()
    os.kill(process.pid, signal.SIGINT)
    eventually(lambda: slurm.state_of(running) in slurm.ENDED, 20)
    process.wait(timeout=60)


def test_a_job_that_dies_without_a_word_is_submitted_again(sent: Any, eventually: Callable[..., object]) -> None:
    sent.write("one", max_steps=60, logging_steps=5)
    process = start(sent)
    eventually(lambda: job() and slurm.state_of(job()) == "RUNNING")
    first = job()
    slurm.slurm("scancel", "--signal=KILL", "--full", first)
    assert process.wait(timeout=300) == 0, (sent.data / "refresh.log").read_text()
    assert "ended without a word" in (sent.data / "refresh.log").read_text()
    assert record(sent).environment["ran_on"]["job"] != first


def test_another_version_there_is_refused_by_name(sent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent.write("one")
    other = {**slurm.environment(), "packages": {**slurm.environment()["packages"], "peft": "0.1"}}
    monkeypatch.setattr(slurm, "environment", lambda: other)
    failed = [each.failed for each in sent.load().refresh(["checkpoint[one]"]) if each.failed]
    assert "peft is" in str(failed)
    assert "not 0.1" in str(failed)


def test_nothing_is_queued_where_slurm_does_not_answer(sent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent.write("one")
    monkeypatch.setenv("SLURM_CONF", str(sent.data / "none.conf"))
    listed = CliRunner().invoke(app, ["machines"])
    assert listed.exit_code == 1
    failed = [each.failed for each in sent.load().refresh(["checkpoint[one]"]) if each.failed]
    assert "squeue" in json.dumps(str(failed))
