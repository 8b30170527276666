"""Runs in progress protect the checkpoints that they may read."""

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from arc_pipeline.defs.staleness.used_versions import experiments_in_progress

STARTS = {"first": None, "second": "first", "third": None}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"dagster/partition": "third"}, {"third"}),
        ({"dagster/partition": "second"}, {"first", "second"}),
        ({"dagster/partition": "t0.5|third", "dagster/partition/experiment": "third"}, {"third"}),
        ({}, set(STARTS)),
        ({"dagster/partition": "a dataset"}, set(STARTS)),
    ],
)
def test_an_unfinished_run_names_its_experiment_or_protects_all(tags: dict[str, str], expected: set[str]) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        create_run_for_test(instance, status=dg.DagsterRunStatus.SUCCESS, tags={})
        assert experiments_in_progress(instance, STARTS) == set()
        create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED, tags=tags)
        assert experiments_in_progress(instance, STARTS) == expected
