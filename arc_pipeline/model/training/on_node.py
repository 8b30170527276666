"""The training program on another machine: `python -m arc_pipeline.model.training.on_node JOB.json`.

Refuses other versions than those of the machine that submitted it; says where it runs; when it is told to
end (SIGTERM: the time limit, a job that comes first), saves a state and ends with SAVED_AND_ENDED.
"""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from dagster_pipes import open_dagster_pipes

from arc_pipeline.machine.accelerator import visible_gpus
from arc_pipeline.machine.interrupt import SAVED_AND_ENDED as SAVED_AND_ENDED
from arc_pipeline.machine.interrupt import remember_request_to_end
from arc_pipeline.machine.process import is_main_process
from arc_pipeline.model.training.job import REFUSAL
from arc_pipeline.store.environment import environment

# a variable: the versions that a training must run with; a file of the work directory: where it ran
EXPECTED, WHERE = "ARC_PIPELINE_EXPECTED_VERSIONS", "ran-on.json"


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Each package, and the commit of this one, whose version here is another."""
    wanted = {**expected["packages"], "commit of arc-pipeline": expected["git_commit"]}
    here = {**found["packages"], "commit of arc-pipeline": found["git_commit"]}
    return [f"{name} is {here.get(name)}, not {version}" for name, version in wanted.items() if here[name] != version]


def refuse_others() -> None:
    """Ends the program, with a refusal to Dagster, if a version differs."""
    others = differences(json.loads(os.environ[EXPECTED]), environment())
    if others and is_main_process():
        words = f"on {socket.gethostname()} {'; '.join(others)}: install there what is here, then run this again"
        with open_dagster_pipes() as pipes:
            pipes.report_custom_message({REFUSAL: words})
    if others:
        sys.exit("error: " + "; ".join(others))


def say_where(work: Path) -> None:
    """Writes what the record of the checkpoint says of the machine."""
    ran_on = {"host": socket.gethostname(), "job": os.environ.get("SLURM_JOB_ID", ""), "gpus": visible_gpus()}
    (work / WHERE).write_text(json.dumps({**environment(), "ran_on": ran_on}))


def train_here(job_file: str) -> None:
    """Trains what the job file describes, if this is the right place for it."""
    refuse_others()
    if is_main_process():
        say_where(Path(job_file).parent)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:  # ranks would end at different steps
        remember_request_to_end()
    from arc_pipeline.model.training.program import train_job_file

    train_job_file(job_file)


if __name__ == "__main__":
    train_here(sys.argv[1])
