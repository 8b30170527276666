"""`show` and `failures` on a small store: what is drawn, the files, and one clear error for all that is missing."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from typer.testing import CliRunner

from arc_pipeline.arc.augmentation.recipes import RECIPE_SCHEMA, RecipeDrawer
from arc_pipeline.arc.evaluation.failures import failures_table
from arc_pipeline.arc.evaluation.voting import attempts_table
from arc_pipeline.arc.prediction.candidates import PREDICTION_SCHEMA
from arc_pipeline.arc.settings import AugmentationConfig, TrainingData
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.arc.tasks.task_table import tasks_table
from arc_pipeline.cli.app import app
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.store import Store
from arc_pipeline.store.tables import write_table

PAIRS = (Pair(((1, 2),), ((2, 1),)), Pair(((3, 4),), ((4, 3),)), Pair(((5, 6),), ((6, 5),)))
TASKS = [Task("00aa11", PAIRS[:2], PAIRS[2:]), Task("00aa12", PAIRS[1:], PAIRS[:1])]
EXPERIMENT: dict[str, Any] = {
    "train": [{"dataset": "mirror"}],
    "max_steps": 1,
    "predict": {"datasets": ["mirror"], "predictions": 3},
    "augmentation": {"geometric": False, "colours": False, "target": "legacy-swap"},
}
ANSWERS = {"00aa11": [((6, 0),), ((6, 0),), ((6, 5),), None], "00aa12": [((0,),), ((0,),), ((0, 0),), ((2, 2),)]}


def tables() -> dict[Artefact, pa.Table]:
    """What an experiment leaves, of one decoding."""
    asked = tasks_table(TASKS)
    rows = [
        {
            "dataset": "mirror",
            "task_id": task_id,
            "test_index": 0,
            "candidate_index": index,
            "grid": grid,
            "n_tokens": 1,
        }
        for task_id, grids in ANSWERS.items()
        for index, grid in enumerate(grids)
    ]
    predictions = pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA)
    ranked = attempts_table(predictions)
    failed = failures_table(predictions, ranked, {"mirror": TASKS})
    config = AugmentationConfig(geometric=False, colours=False, target="legacy-swap")
    drawer = RecipeDrawer([TrainingData(dataset="mirror")], {"mirror": TASKS}, config, 7)
    recipes = [{"example": number, **drawer.draw(number)[0].row(drawer.draw(number)[1])} for number in range(40)]
    return {
        Artefact("tasks", "mirror"): asked,
        Artefact("evaluation_tasks", "e"): asked.add_column(0, "dataset", pa.array(["mirror"] * asked.num_rows)),
        Artefact("predictions", "e/t0.0"): predictions,
        Artefact("attempts", "e/t0.0"): ranked,
        Artefact("failures", "e"): failed.add_column(0, "decoding", pa.array(["t0.0"] * failed.num_rows)),
        Artefact("augmented_examples", "e"): pa.Table.from_pylist(recipes, schema=RECIPE_SCHEMA),
    }


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with an experiment that was made, `e`, and one that was not, `new`."""
    monkeypatch.setenv("ARC_PIPELINE_DATA", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster_home"))
    (tmp_path / "raw").mkdir()
    (tmp_path / "experiments").mkdir()
    (tmp_path / "datasets.yaml").write_text("{}")
    pairs = {task.task_id: {"train": list(map(vars, task.train)), "test": list(map(vars, task.test))} for task in TASKS}
    (tmp_path / "raw" / "mirror.json").write_text(json.dumps(pairs))
    for name in ("e", "new"):
        (tmp_path / "experiments" / f"{name}.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    store = Store(tmp_path / "store")
    for artefact, table in tables().items():
        with store.writing(artefact) as directory:
            write_table(table, directory, artefact.asset)
            record = {"artefact": str(artefact), "data_version": "1" * 64, "code_version": "1", "upstream": {}}
            store.commit(directory, Lineage.model_validate(record))
    return tmp_path


def run(*arguments: str) -> str:
    """Standard output of a command that must succeed."""
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "120"})
    assert done.exception is None, done.exception
    return done.stdout


def refusal(*arguments: str) -> str:
    """The message of a command that must fail."""
    done = CliRunner().invoke(app, arguments)
    assert done.exception is not None
    return str(done.exception)


@pytest.mark.usefixtures("data")
class TestShow:
    """What is drawn on a terminal."""

    def test_a_task(self) -> None:
        text = run("show", "00aa11")
        assert "task 00aa11 of mirror" in text
        assert re.search(r"train 0 +train 1 +test 0", text)
        assert re.search(r"1 2 +3 4 +5 6", text)

    def test_the_answers_of_an_experiment(self) -> None:
        text = run("show", "00aa11", "--experiment", "e")
        assert "task 00aa11 of mirror: e, t0.0" in text
        assert "test 0: solved within two attempts (n = 4, 3 decoded)" in text
        assert re.search(r"rank 2 +✗ 1 of 2 wrong +✓ right", text)
        assert re.search(r"6 5 +6 0! +6 5", text)

    def test_its_prompt(self) -> None:
        text = run("show", "00aa11", "--experiment", "e", "--prompt")
        assert "task 00aa11 of mirror, test 0: e" in text
        assert re.search(r"⟦```grid shape: │1│x│2│↵\n│1│ │6│5│↵\n```│<\|end\|>⟧", text)

    def test_its_training_examples(self) -> None:
        text = run("show", "00aa11", "--experiment", "e", "--augmented")
        assert "never target" in text
        assert len(re.findall(r"^example \d+$", text, re.MULTILINE)) == 4

    @pytest.mark.parametrize("options", [(), ("--experiment", "e"), ("--experiment", "e", "--prompt")])
    @pytest.mark.parametrize(("end", "begin"), [("png", b"\x89PNG"), ("SVG", b"<?xml"), ("pdf", b"%PDF")])
    def test_files(self, data: Path, options: tuple[str, ...], end: str, begin: bytes) -> None:
        run("show", "00aa11", *options, "--output", str(data / f"x.{end}"))
        assert (data / f"x.{end}").read_bytes().startswith(begin)


@pytest.mark.usefixtures("data")
class TestFailures:
    """The table of what failed."""

    def test_for_a_person(self) -> None:
        text = run("failures", "e")
        assert re.search(r"00aa12.*wrong pixels.*2 ", text)
        assert "00aa11" not in text
        assert "00aa11" in run("failures", "e", "--all")

    def test_it_fits_80_columns_a_line_each(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("arc_pipeline.cli.console.columns", lambda: 80)
        text = run("failures", "e", "--all")
        assert max(map(len, text.splitlines())) <= 80
        assert [line for line in text.splitlines() if "00aa12" in line and "wrong pixels" in line]

    def test_for_a_program(self) -> None:
        rows = json.loads(run("failures", "e", "--all", "--sort", "task_id", "--reverse", "--json"))
        assert [row["task_id"] for row in rows] == ["00aa12", "00aa11"]
        assert json.loads(run("failures", "e", "--decoding", "t1.0", "--json")) == []

    def test_a_picture_for_each(self, data: Path) -> None:
        run("failures", "e", "--gallery", str(data / "new" / "pictures"))
        [picture] = (data / "new" / "pictures").iterdir()
        assert picture.name == "t0.0-00aa12-0.png"
        (data / "file").write_text("")
        assert "File exists" in refusal("failures", "e", "--gallery", str(data / "file"))


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "00aa1"), "there is no task '00aa1' in mirror; did you mean '00aa12' or '00aa11'?"),
        (("show", "00aa11", "--dataset", "miror"), "there is no dataset 'miror'; did you mean 'mirror'?"),
        (("show", "00aa11", "--experiment", "f"), "no such experiment; there are: e, new"),
        (
            ("show", "00aa11", "--experiment", "new"),
            "materialize it first: arc-pipeline refresh --select new",
        ),
        (("show", "00aa11", "--experiment", "e", "--decoding", "t1.0"), "predictions[e/t1.0] is not there yet"),
        (("show", "00aa11", "--experiment", "e", "--decoding", "1.0"), "no decoding '1.0'; did you mean 't1.0'?"),
        (
            ("show", "00aa1", "--experiment", "e"),
            "task '00aa1' is not among the tasks that e is evaluated on, of mirror; did",
        ),
        (("show", "00aa1", "--experiment", "e", "--augmented"), "not among the tasks that e is trained on, of mirror;"),
        (
            ("show", "00aa11", "--experiment", "e", "--dataset", "x"),
            "'x' has none of the tasks that e is evaluated on; there",
        ),
        (("show", "00aa11", "--experiment", "new", "--augmented"), "augmented_examples[new] is not there yet"),
        (("show", "00aa11", "--experiment", "new", "--prompt"), "evaluation_tasks[new] is not there yet"),
        (("show", "00aa11", "--prompt"), "name one with --experiment"),
        (("show", "00aa11", "--experiment", "e", "--prompt", "--augmented"), "choose one of them"),
        (("show", "00aa11", "--output", "x.gif"), "must end in one of .png, .svg, .pdf"),
        (("show", "00aa11", "--output", "nowhere/x.png"), "there is no directory"),
        (("failures", "new"), "failures[new] is not there yet"),
        (("failures", "e", "--sort", "votes"), "unknown column 'votes'"),
    ],
)
def test_one_clear_error(arguments: tuple[str, ...], words: str) -> None:
    assert words in refusal(*arguments)
