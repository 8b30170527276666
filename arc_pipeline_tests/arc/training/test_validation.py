"""Validation examples are the same every time, and the check tells memorizing from learning."""

from arc_pipeline.arc.settings import TrainingData
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.arc.training.validation import validation_loss_follows_training, validation_recipes


def a_log(*rows: tuple[float, float | None]) -> list[dict[str, float | None]]:
    """Rows of (training loss, validation loss), ten steps apart."""
    return [{"step": 10 * n, "loss": loss, "eval_loss": validation} for n, (loss, validation) in enumerate(rows, 1)]


def test_every_test_pair_is_asked_once(tasks: dict[str, list[Task]]) -> None:
    validation = [TrainingData(dataset="written"), TrainingData(dataset="generated")]
    recipes = [recipe for recipe, _ in validation_recipes(validation, tasks, None)]
    assert [(each.task_id, each.demonstrations, each.target) for each in recipes] == [
        ("one_test", (0, 1, 2), 3),
        ("two_tests", (0, 1, 2), 3),
        ("two_tests", (0, 1, 2), 4),
    ]
    assert [each.demonstrations for each, _ in validation_recipes(validation[:1], tasks, 2)] == [(0, 1)] * 3


def test_validation_that_rises_while_training_falls_is_found() -> None:
    verdict = validation_loss_follows_training(a_log((3, 3), (2, 2), (1, 2.5), (0.5, 3)))
    assert not verdict.passed
    assert "its minimum was 2 at step 20" in verdict.description


def test_validation_that_follows_training_passes() -> None:
    assert validation_loss_follows_training(a_log((3, 3), (2, 2), (1, 1.5), (0.5, 1.6))).passed
    assert validation_loss_follows_training(a_log((3, 3), (2, 2), (4, 5), (5, 6))).passed


def test_validation_that_is_no_number_fails_at_once() -> None:
    verdict = validation_loss_follows_training(a_log((3, 3), (2, float("nan"))))
    assert not verdict.passed
    assert verdict.description == "validation loss is nan at step 20"


def test_too_few_evaluations_say_nothing() -> None:
    assert validation_loss_follows_training(a_log((3, 2), (2, None), (1, 9))).passed
