"""machines.yaml: what it says, and every fault of it at once."""

from pathlib import Path
from typing import Any

import pytest

from arc_pipeline.defs.machines.settings import read_machines
from arc_pipeline.errors import FaultyInput

SAID = """
machines:
  cluster: {engine: slurm, gpus: 2, time: "4:00:00"}
assets:
  checkpoint: cluster
  checkpoint[demo-*]: local
"""
FAULTY = """
machines:
  cluster: {engine: slurm, gpu: 2}
  other: {engine: slrum}
assets:
  predictions: cluster
  checkpoint: clutser
more: 1
"""


def test_without_a_file_everything_is_local(tmp_path: Path) -> None:
    assert read_machines(tmp_path).of("checkpoint", "one")[0] == "local"


def test_the_last_rule_that_matches_counts(tmp_path: Path) -> None:
    (tmp_path / "machines.yaml").write_text(SAID)
    machines = read_machines(tmp_path)
    assert machines.of("checkpoint", "big")[0] == "cluster"
    assert machines.of("checkpoint", "demo-fixed")[0] == "local"
    assert machines.of("predictions", "big")[0] == "local"


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "machines.yaml").write_text(FAULTY)
    with pytest.raises(FaultyInput) as error:
        read_machines(tmp_path)
    assert len(error.value.faults) == 5
    for word in ("gpu", "slrum", "predictions", "clutser", "more"):
        assert word in str(error.value)


def test_a_machine_makes_nothing_stale(two: Any) -> None:
    before = {(status.node, status.status) for status in two.load().look([])[1]}
    (two.data / "machines.yaml").write_text(SAID)
    assert {(status.node, status.status) for status in two.load().look([])[1]} == before
