"""The registry of metrics: formulas by hand, and that everything else is made of it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import arc_pipeline
from arc_pipeline.arc.evaluation.metrics import (
    BY_NAME,
    METRICS,
    PAIR_METRICS,
    RANKED_METRICS,
    ScoredPair,
    wrong_cells,
)
from arc_pipeline.arc.tasks.task import Grid

TRUE: Grid = ((1, 2), (3, 4))
ONE_OFF: Grid = ((1, 2), (3, 0))  # 3 of 4 cells match
ALL_OFF: Grid = ((0, 0), (0, 0))
WIDE: Grid = ((1, 2, 3, 4),)  # as many cells as TRUE, another shape


def test_the_formulas_by_hand() -> None:
    # three candidates of another shape, two with one wrong cell of four, one right, two that are no grid
    pair = ScoredPair(votes=(3, 2, 1), wrong=(None, 1, 0), cells=4, planned=8)
    assert {name: BY_NAME[name].formula(pair) for name in PAIR_METRICS} == {
        "accuracy": 1 / 8,
        "correct_size": 3 / 8,
        "correct_pixels": (2 * 3 / 4 + 1) / 8,
        "unanswered": 2 / 8,
        "pass_n": 1,
        "vote_1": 0,
        "vote_2": 0,
    }


@pytest.mark.parametrize(("grid", "wrong"), [(TRUE, 0), (ONE_OFF, 1), (ALL_OFF, 4), (WIDE, None), (((1,), (3,)), None)])
def test_wrong_cells(grid: Grid, wrong: int | None) -> None:
    assert wrong_cells(grid, TRUE) == wrong


def test_titles_name_the_number_of_candidates() -> None:
    assert [BY_NAME[metric].title(32) for metric in ("pass_n", "vote_2", "accuracy")] == [
        "pass_32",
        "vote_2",
        "accuracy",
    ]


def test_every_metric_is_described_and_has_a_name_of_its_own() -> None:
    metrics = (*METRICS, *RANKED_METRICS)
    assert all(metric.description.endswith(".") for metric in metrics)
    assert len(BY_NAME) == len(metrics)
    assert all(metric.of in PAIR_METRICS for metric in METRICS if metric.level != "pair")


NEW_METRIC = '''@metric("vote_3", shown=True, at_temperatures=True)
def vote_3(pair: ScoredPair) -> float:
    """The right grid is among the three most voted."""
    return float(0 in pair.wrong[:3])


# in the order of the stored columns
'''
SHOW_LISTS = """
import json, sys
from arc_pipeline.arc.evaluation import comparison, metric_tables, metrics, results
from arc_pipeline.defs.column_docs import COLUMNS
from arc_pipeline.report.tables import SHOWN_METRICS
lists = [metrics.PAIR_METRICS, metrics.TASK_METRICS, metric_tables.PER_PAIR_SCHEMA.names, SHOWN_METRICS,
         results.RESULT_FIELDS, results.TEMPERATURE_COLUMNS, results.DURATION_COLUMNS, comparison.GAINED]
print(json.dumps({"without": sum("vote_3" not in names for names in lists), "about": COLUMNS["vote_3"]}))
"""


def test_a_new_metric_is_one_edit_in_one_file(tmp_path: Path) -> None:
    copy = tmp_path / "arc_pipeline"
    shutil.copytree(Path(arc_pipeline.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / "arc" / "evaluation" / "metrics.py"
    text = file.read_text().replace("# in the order of the stored columns\n", NEW_METRIC)
    file.write_text(text.replace("vote_2),", "vote_2, vote_3),"))
    done = subprocess.run(
        [sys.executable, "-c", SHOW_LISTS],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"without": 0, "about": "The right grid is among the three most voted."}
