"""A real model in a process of its own, which is killed while it predicts: what was on disk is not computed again."""

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from arc_pipeline.store.artefact import Artefact

NODE = "predictions[one/t1.0]"
CANDIDATES = 30
SHARD_SECONDS = 0.4
# predicts, and writes when each completion was finished
PROGRAM = f"""
import sys, time
from arc_pipeline.arc.prediction import completions
from arc_pipeline.cli.session import open_session
from arc_pipeline.model.prediction import candidates

completions.SHARD_SECONDS, complete = {SHARD_SECONDS}, candidates.complete_candidates

def logged(*arguments):
    with open(sys.argv[1], "w") as log:
        for each in complete(*arguments):
            time.sleep(0.02)  # so that any machine is killed on the way
            print(time.time(), file=log, flush=True)
            yield each

candidates.complete_candidates = logged
open_session().refresh(["{NODE}"])
"""


def test_a_killed_prediction_goes_on_and_comes_out_as_if_it_had_not_been(
    project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually
) -> None:
    predict = {"datasets": ["mirror"], "predictions": CANDIDATES, "batch_size": 4}
    project.write("one", max_steps=60, learning_rate=3e-3, predict=predict)  # knows the size, so answers are short
    session = project.load()
    session.refresh(["checkpoint"])
    kept, log = project.data / "store" / "completions" / "one", tmp_path / "finished.log"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(log)], env=environment) as process:
        eventually(lambda: len(list(kept.rglob("*.parquet"))) >= 2)
        process.send_signal(signal.SIGKILL)
    finished = [float(line) for line in log.read_text().splitlines()]
    saved = sum(pq.read_metadata(path).num_rows for path in kept.rglob("*.parquet"))
    assert 0 < saved <= len(finished) < 2 * CANDIDATES
    last_shard = max(int(path.name.split("-")[0]) for path in kept.rglob("*.parquet")) / 1e9
    assert len([moment for moment in finished if moment < last_shard - SHARD_SECONDS]) <= saved

    counts = count_requests(monkeypatch)
    assert not [outcome.failed for outcome in session.refresh([NODE]) if outcome.failed]
    assert counts == [2 * CANDIDATES - saved]

    resumed = session.store.lineage(Artefact.parse(NODE))
    for path in (kept, session.store.place(Artefact.parse(NODE))):
        path.rename(tmp_path / path.name)
    session.refresh([NODE])
    assert counts[1:] == [2 * CANDIDATES]
    assert session.store.lineage(Artefact.parse(NODE)).data_version == resumed.data_version


def count_requests(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many requests each call of the model has, from now on."""
    candidates: Any = importlib.import_module("arc_pipeline.model.prediction.candidates")
    counts, complete = list[int](), candidates.complete_candidates

    def counting(weights: Path, requests: Any, experiment: Any) -> Iterator[Any]:
        counts.append(len(requests))
        return complete(weights, requests, experiment)

    monkeypatch.setattr(candidates, "complete_candidates", counting)
    return counts
