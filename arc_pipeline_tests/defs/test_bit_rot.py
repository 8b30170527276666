"""Files of a store damaged at random, in every way: never a number from what was not written, and all made again."""

import hashlib
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arc_pipeline.definitions import build_definitions
from arc_pipeline.defs.upkeep.doctor import Patient, examine
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.project import Project
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.store import Store

pytestmark = pytest.mark.drill
ROUNDS, CASES = 8, 25
OF_CANDIDATES = ("predictions", "scores", "attempts", "metrics")


def flip(file: Path, others: list[Path], rng: random.Random) -> None:
    """One bit, anywhere."""
    content = bytearray(file.read_bytes())
    if content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def truncate(file: Path, others: list[Path], rng: random.Random) -> None:
    """The end is lost."""
    file.write_bytes(file.read_bytes()[: rng.randrange(max(1, file.stat().st_size))])


def empty(file: Path, others: list[Path], rng: random.Random) -> None:
    """The name is there, the bytes are not."""
    file.write_bytes(b"")


def delete(file: Path, others: list[Path], rng: random.Random) -> None:
    """Neither is."""
    file.unlink()


def replace(file: Path, others: list[Path], rng: random.Random) -> None:
    """A whole file of the same name, of another version or partition."""
    alike = [each for each in others if each.name == file.name and each != file and each.exists()]
    if alike:
        shutil.copyfile(rng.choice(alike), file)


def delete_directory(file: Path, others: list[Path], rng: random.Random) -> None:
    """The whole version."""
    shutil.rmtree(file.parent)


def swap_directories(file: Path, others: list[Path], rng: random.Random) -> None:
    """Two partitions with files of the same name change places, each with the copy of its record."""
    alike = [each.parent for each in others if each.name == file.name and each.parent != file.parent]
    if alike:
        other, aside = rng.choice(alike), file.parent.with_name("aside")
        file.parent.rename(aside)
        other.rename(file.parent)
        aside.rename(other)


DAMAGES = (flip, truncate, empty, delete, replace, delete_directory, swap_directories)


@pytest.fixture
def grown(two: Any) -> Any:
    """Two experiments with older versions, and one whose candidates are scored."""
    two.write("turned", augmentation={"geometric": True, "colours": False}, learning_rate=5e-4)
    two.write("scored", predict={"datasets": ["mirror"], "predictions": 2, "score_views": 2})
    assert not [outcome.failed for outcome in two.load().refresh([]) if outcome.failed]
    return two


def contents(store: Store) -> dict[str, tuple[str, Any]]:
    """Of every artefact what a reader gets: the current data version, the settings and the bytes of the files; without
    artefacts that are refused."""
    found = {}
    for artefact in store.artefacts():
        try:
            record, place = store.required(artefact), store.current(artefact)
        except ArcPipelineError:
            continue
        files = {name: hashlib.sha256((place / name).read_bytes()).hexdigest() for name in record.files or ()}
        found[str(artefact)] = record.data_version, (record.config, files)
    return found


def damaged_files(store: Path, rng: random.Random) -> Iterator[str]:
    """Damages files of the store, and says what happened to each. At most one of those of an artefact: where its record
    and the copy of it are both lost, nothing can tell."""
    files = [
        path
        for path in sorted(store.rglob("*"))
        if path.is_file() and not path.is_symlink() and not path.name.endswith(".lock") and "current" not in path.parts
    ]
    spared = set(files)
    for _ in range(CASES):
        file, damage = rng.choice(sorted(spared)), rng.choice(DAMAGES)
        if "records" in file.parts and damage in (delete_directory, swap_directories):
            damage = delete  # a directory has the records of all versions there
        damage(file, sorted(spared - {file}), rng)
        touched = {owner(store, each) for each in spared if not each.exists()} | {owner(store, file)}
        spared = {each for each in spared if owner(store, each) not in touched}
        yield f"{damage.__name__} {file.relative_to(store)}"


def owner(store: Path, file: Path) -> str:
    """The artefact that a file belongs to, or else the file itself."""
    parts = [part for part in file.relative_to(store).parts if part != "records"]
    depth = {"results_table": 1, "temperature_table": 1, "duration_table": 1}.get(parts[0])
    depth = depth or (3 if parts[0] in OF_CANDIDATES else 2)
    return "/".join(parts if parts[0] in ("completions", ".code", "training") else parts[:depth])


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_no_number_comes_from_damaged_files_and_a_refresh_mends_them(grown: Any, seed: int) -> None:
    place, rng = grown.data / "store", random.Random(seed)
    before = contents(Store(place))
    done = list(damaged_files(place, rng))
    after = contents(Store(place))
    assert {name: after[name] for name in after if after[name] != before.get(name)} == {}, "\n".join(done)
    lost = before.keys() - after.keys()
    said = " ".join(finding.finding for finding in examine(Patient(Project(grown.data), build_definitions, deep=True)))
    assert [name for name in lost if name not in said] == [], "\n".join(done)
    session = grown.load()
    planned = {str(status.node.artefact) for status in session.plan([])}
    assert lost <= planned, "\n".join(done)
    assert not [outcome.failed for outcome in session.refresh([]) if outcome.failed], "\n".join(done)
    assert grown.load().plan([]) == []
    mended = contents(Store(place))
    assert {name: version for name, (version, _) in mended.items()} == {
        name: version for name, (version, _) in before.items()
    }, "\n".join(done)
    assert Artefact.parse("results_table") in Store(place).artefacts()
