"""A bug in the code as a user meets it: its discovery, its fix, and one command that makes again what it changed.

The code is a copy of this package with one wrong word; everything runs through the command line, with real trainings.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import arc_pipeline

SOURCE = Path(arc_pipeline.__file__).parent
RIGHT, WRONG = '"any": _any_pair', '"any": _legacy_swap'
EXPERIMENT = {
    "model": "tiny",
    "train": [{"dataset": "mirror"}],
    "augmentation": {"geometric": False, "colours": False},
    "max_steps": 80,
    "learning_rate": 3e-3,
    "batch_size": 8,
    "max_seq_len": 256,
    "predict": {"datasets": ["mirror"], "predictions": 8},
}
TARGET_CHECKS = ["every_test_pair_is_a_target", "every_pair_is_a_target_evenly"]
pytestmark = pytest.mark.drill


class Checkout:
    """A copy of the package, its data, and its command line."""

    def __init__(self, root: Path) -> None:
        self.root, self.rules = root, root / "arc_pipeline" / "arc" / "augmentation" / "recipes.py"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(SOURCE, root / "arc_pipeline", ignore=ignored)
        shutil.copytree(SOURCE.parent / "data", root / "defaults", ignore=shutil.ignore_patterns("store", "raw"))
        self.data = root / "data"
        for name in ("raw", "experiments", "dagster_home"):
            (self.data / name).mkdir(parents=True)
        (self.data / "datasets.yaml").write_text("{}")
        shutil.copy(root / "defaults" / "dagster_home" / "dagster.yaml", self.data / "dagster_home")
        pairs = [{"input": [[a, b]], "output": [[b, a]]} for a, b in ((1, 2), (3, 4), (5, 6))]
        tasks = {name: {"train": pairs[:2], "test": pairs[2:]} for name in ("aa", "bb")}
        (self.data / "raw" / "mirror.json").write_text(json.dumps(tasks))

    def edit(self, old: str, new: str) -> None:
        """Edits the target rules."""
        text = self.rules.read_text()
        assert old in text
        self.rules.write_text(text.replace(old, new))

    def write(self, name: str, **changes: Any) -> None:
        """Writes an experiment."""
        (self.data / "experiments" / f"{name}.yaml").write_text(yaml.safe_dump(EXPERIMENT | changes))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs the command line of this copy."""
        inherited = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
        environment = inherited | {"ARC_PIPELINE_DATA": str(self.data), "PYTHONPATH": str(self.root)}
        code = "from arc_pipeline.cli.app import main; main()"
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)

    def json(self, *arguments: str) -> Any:
        """The document that a command prints."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("story"))


def test_the_story(checkout: Checkout) -> None:
    # a bug is introduced, and the check sees it before anything is trained
    checkout.edit(RIGHT, WRONG)
    checkout.write("buggy")
    refused = checkout.run("refresh", "--yes")
    assert refused.returncode == 1
    assert "its check every_test_pair_is_a_target failed: " in refused.stderr
    assert {row["asset"] for row in checkout.json("stale", "--select", "buggy")} >= {
        "augmented_examples",
        "checkpoint",
    }

    # somebody continues all the same, with a second experiment that the bug does not touch
    checkout.write("buggy", expected_violations=TARGET_CHECKS)
    only_tests = EXPERIMENT["augmentation"] | {"target": "test-only"}
    checkout.write("unaffected", augmentation=only_tests)
    checkout.json("refresh", "--yes")
    assert checkout.json("stale") == []
    before = checkout.json("history", "buggy", "--decoding", "t1.0")[0]["version"]

    # the fix: the code of both examples changed, which says so by name
    checkout.edit(WRONG, RIGHT)
    stale = {(row["asset"], row["partition"]): row["causes"] for row in checkout.json("stale")}
    assert "arc.augmentation.recipes _TARGET_RULES" in stale["augmented_examples", "buggy"][0]
    assert ("checkpoint", "buggy") in stale

    # one command redoes what the fix changed: `unaffected` comes out the same and is not trained again
    made = {(row["asset"], row["partition"]) for row in checkout.json("refresh", "--yes") if row["ended"] == "made"}
    assert ("checkpoint", "buggy") in made
    assert {name for name, partition in made if partition.startswith("unaffected")} == {"augmented_examples"}
    assert checkout.json("stale") == []

    # before and after, side by side
    assert len(checkout.json("history", "buggy", "--decoding", "t1.0")) == 2
    found = checkout.json("diff", f"buggy@{before}", "buggy", "--decoding", "t1.0")
    assert "arc.augmentation.recipes _TARGET_RULES" in found["code"]["augmented_examples"]
    assert any(line.startswith("test_pairs_as_targets: 0 -> ") for line in found["data"])
    chain = checkout.json("trace", "buggy", "t0.0")
    assert {"checkpoint[buggy]", "arc_source[mirror]"} <= {entry.get("artefact") for entry in chain}
