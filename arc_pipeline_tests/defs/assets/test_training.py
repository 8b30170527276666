"""A training on examples whose checks failed is refused, with advice that can be followed."""

from types import SimpleNamespace
from typing import Any

import pytest

from arc_pipeline.errors import ArcPipelineError

FAILED = {"passed": False, "expected": False, "description": "300 of 400 are rotate_90"}


def checked(**checks: dict[str, Any]) -> Any:
    """A stand-in for the materialization, upstream of which every check passed but for some."""
    from arc_pipeline.arc.augmentation.checks import CHECKS

    passed = {"passed": True, "expected": False, "description": ""}
    record = SimpleNamespace(checks=dict.fromkeys(CHECKS, passed) | checks)
    return SimpleNamespace(artefact=SimpleNamespace(partition="x"), lineage=lambda asset, partition: record)


def refused(**checks: dict[str, Any]) -> str:
    from arc_pipeline.defs.assets.training import refuse_failed_checks

    with pytest.raises(ArcPipelineError) as error:
        refuse_failed_checks(checked(**checks))
    return str(error.value)


def test_failed_checks_are_named_with_what_may_be_listed() -> None:
    words = refused(transforms_are_uniform=FAILED, only_demonstrations_are_trained_on=FAILED)
    assert "transforms_are_uniform: 300 of 400 are rotate_90" in words
    assert "or list transforms_are_uniform under expected_violations" in words


def test_a_check_that_none_may_expect_to_fail_is_not_to_be_listed() -> None:
    words = refused(only_demonstrations_are_trained_on=FAILED)
    assert "only_demonstrations_are_trained_on: 300 of 400" in words
    assert words.endswith("\nfix the augmentation, and materialize augmented_examples again")


def test_what_passed_or_may_fail_is_trained_on() -> None:
    from arc_pipeline.defs.assets.training import refuse_failed_checks

    refuse_failed_checks(checked(transforms_are_uniform=FAILED | {"expected": True}))
