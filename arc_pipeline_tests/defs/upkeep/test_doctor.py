"""The doctor finds what was damaged in a real project, names the remedy, and its fixes lose nothing."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from arc_pipeline.definitions import build_definitions
from arc_pipeline.defs.upkeep.doctor import CHECKS, Finding, Patient, examine
from arc_pipeline.project import Project


@pytest.fixture
def patient(two, monkeypatch: pytest.MonkeyPatch) -> Patient:
    """The two small experiments, all well; the accelerator is left out, it needs torch."""
    monkeypatch.delitem(CHECKS, "accelerator")
    two.load()
    return Patient(Project(two.data), build_definitions)


def wrong(patient: Patient) -> dict[str, Finding]:
    """What is not well, by check."""
    return {finding.check: finding for finding in examine(patient) if finding.status != "ok"}


def test_all_is_well(patient: Patient) -> None:
    findings = list(examine(replace(patient, deep=True)))
    assert {finding.check for finding in findings} == set(CHECKS)
    assert [finding for finding in findings if finding.status != "ok"] == []


def damage_predictions(data: Path) -> None:
    path = next((data / "store" / "predictions" / "straight" / "t0.0").glob("*/predictions.parquet"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def break_database(data: Path) -> None:
    (data / "dagster_home" / "history" / "runs" / "index.db").write_bytes(os.urandom(5000))


def break_experiment(data: Path) -> None:
    (data / "experiments" / "broken.yaml").write_text("a: &a [1]\nb: *a")


def damage_record(data: Path) -> None:
    (record,) = (data / "store" / "records" / "metrics" / "straight" / "t0.0").glob("*.json")
    shutil.rmtree(data / "store" / "metrics" / "straight" / "t0.0")
    record.chmod(0o644)
    record.write_text("{")


DAMAGES: list[tuple[Callable[[Path], None], str, str, str]] = [
    (damage_predictions, "store", "predictions.parquet has other bytes", "refresh --select 'predictions[straight"),
    (break_database, "database", "file is not a database", "doctor --fix reports it again"),
    (break_experiment, "files", "broken.yaml: line 2, column 4", "correct the file"),
    (damage_record, "records", "0001-", "move it away"),
]


@pytest.mark.parametrize(("damage", "check", "words", "remedy"), DAMAGES)
def test_each_damage_is_named_with_its_remedy(
    damage: Callable[[Path], None], check: str, words: str, remedy: str, patient: Patient
) -> None:
    damage(patient.project.data)
    found = wrong(Patient(patient.project, build_definitions))
    assert found[check].status == "error"
    assert words in found[check].finding
    assert remedy in found[check].remedy


def test_what_was_made_from_damaged_files_is_named(patient: Patient) -> None:
    damage_predictions(patient.project.data)
    assert "made from it: " in wrong(patient)["store"].finding
    assert "attempts[straight/t0.0]" in wrong(patient)["store"].finding


def test_a_lost_database_is_reported_again(patient: Patient) -> None:
    home = patient.project.data / "dagster_home"
    for name in ("history", "storage", "schedules"):
        shutil.rmtree(home / name, ignore_errors=True)
    assert "does not know them" not in wrong(Patient(patient.project, build_definitions, fix=True))
    assert wrong(Patient(patient.project, build_definitions)) == {}


def test_half_written_leftovers_are_removed_when_they_are_old(patient: Patient) -> None:
    old, new = (patient.project.data / "store" / "tasks" / "mirror" / f".tmp-{name}" for name in ("old", "new"))
    for path in (old, new):
        path.mkdir()
    os.utime(old, (0, 0))
    assert "1 half-written" in wrong(patient)["leftovers"].finding
    assert "leftovers" not in wrong(replace(patient, fix=True))
    assert new.is_dir()
    assert not old.exists()
