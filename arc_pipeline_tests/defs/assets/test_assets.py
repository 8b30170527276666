"""The real graph on a real instance, with a training of a few steps: lineage, checks, staleness."""

import errno
import json
import os
import shutil

import pytest
import yaml

from arc_pipeline import load_model
from arc_pipeline.cli.export import export
from arc_pipeline.errors import ArcPipelineError

ASSETS = """
arc_source tasks augmentation_config training_config prediction_config initial_weights augmented_examples checkpoint
evaluation_tasks contamination predictions attempts metrics experiment_summary results_table temperature_table
curve_config training_curve prediction_curve breakdown duration_table failures prompt_samples
scoring_config scores solution_scores
"""


def names(statuses) -> set[str]:
    return {str(each.node.artefact) for each in statuses}


def test_the_graph_has_all_assets(project) -> None:
    project.write("one")
    keys = project.load().graph.get_all_asset_keys()
    assert {key.to_user_string() for key in keys} == set(ASSETS.split())


def test_a_life_of_one_experiment(project) -> None:
    project.write("one")
    session = project.load()
    outcomes = session.refresh([])
    assert not [outcome.failed for outcome in outcomes if outcome.failed]
    assert session.plan() == []
    assert session.refresh([]) == []
    export_for_others(project)

    # code that changes no data: what was changed is made again, and nothing after it
    project.edit_record("tasks/mirror", code_version="another")
    project.edit_record("augmented_examples/one", code_version="another")
    assert {"checkpoint[one]", "predictions[one/t0.0]", "results_table"} <= names(session.plan())
    assert made(session.refresh([])) == {"tasks[mirror]", "augmented_examples[one]"}
    assert session.plan() == []

    # a prediction setting leaves the checkpoint alone, and stages refuse to mix the file with what is recorded of it
    project.write("one", predict={"datasets": ["mirror"], "predictions": 3})
    session = project.load()
    stale = names(session.plan())
    assert not {
        name for name in stale if name.startswith(("checkpoint", "augmented", "tasks", "training_config", "initial"))
    }
    assert {"prediction_config[one]", "predictions[one/t0.0]", "metrics[one/t1.0]", "results_table"} <= stale
    outcome = session.run(project.batch("t0.0|one", "metrics"))
    assert "prediction_config[one] is stale: one changed: predict.predictions: 2 -> 3" in outcome.failed
    project.write("one")

    # the loss of Dagster's database loses no work
    shutil.rmtree(project.data / "dagster_home")
    session = project.load()
    assert {status.status for status in session.plan()} == {"unrecorded"}
    assert session.refresh([]) == []
    assert session.plan() == []

    # an experiment that is gone leaves the tables
    project.write("two")
    (project.data / "experiments" / "one.yaml").unlink()
    causes = {str(each.node.artefact): each.causes for each in project.load().plan(["results_table"])}
    assert causes["results_table"] == ["experiment_summary[one] is gone"]


def export_for_others(project) -> None:
    """The model with its numbers and its lineage in a directory of its own."""
    place, content = project.data.parent / "exported", project.data / "store" / "checkpoint" / "one" / "current"
    export("one", place, adapter=False, dtype="float32", licence="apache-2.0")
    assert (place / "model.safetensors").read_bytes() == (content / "model.safetensors").read_bytes()
    assert not (place / "training_log.parquet").exists()
    text = (place / "README.md").read_text()
    card = yaml.safe_load(text.split("---")[1])
    assert (card["license"], card["library_name"]) == ("apache-2.0", "transformers")
    assert {each["type"] for each in card["model-index"][0]["results"][0]["metrics"]} == {"accuracy", "vote_2"}
    assert "The answer ends with `<|end|>`" in text
    assert "arc_source[mirror]  version" in text
    assert "trained-on" in text
    assert load_model(place).experiment.max_steps == 8
    with pytest.raises(ArcPipelineError, match="exported is there already"):
        export("one", place, adapter=False, dtype="float32", licence="unknown")
    with pytest.raises(ArcPipelineError, match="one has no adapter"):
        export("one", place.parent / "adapter", adapter=True, dtype="float32", licence="unknown")
    assert not (place.parent / "adapter").exists()


def made(outcomes) -> set[str]:
    """The names of all artefacts that were made."""
    return {str(node.artefact) for outcome in outcomes for node in outcome.made}


def test_the_bug_is_stopped_before_training(project) -> None:
    changed = {"geometric": False, "colours": False, "target": "legacy-swap"}
    project.write("bug", augmentation=changed, max_steps=40)
    session = project.load()
    outcomes = session.refresh([])
    assert "augmented_examples[bug]" in made(outcomes)
    assert "checkpoint[bug]" not in made(outcomes)

    # a later run of the checkpoint alone is refused as well, where Dagster's blocking check is not consulted
    outcome = session.run(project.batch("bug", "checkpoint"))
    assert "every_test_pair_is_a_target" in outcome.failed
    assert not outcome.made


def test_a_faulty_file_takes_no_other_dataset_down(project) -> None:
    project.write("one")
    broken = {"x": {"train": [{"input": [[10]], "output": [[1]]}], "test": []}}
    (project.data / "raw" / "broken.json").write_text(json.dumps(broken))
    session = project.load()
    outcomes = session.refresh(["tasks"])
    failed = "\n".join(outcome.failed for outcome in outcomes)
    assert "tasks[mirror]" in made(outcomes)
    assert "broken.json" in failed
    assert "10" in failed


def test_faults_of_a_file_are_shown_before_anything_is_run(project) -> None:
    project.write("one", max_stepps=3)
    causes = {str(each.node.artefact): each.causes for each in project.load().plan(["one"])}
    assert "did you mean 'max_steps'" in " ".join(causes["training_config[one]"])


def test_a_selection_that_matches_nothing_is_an_error(project) -> None:
    project.write("one")
    with pytest.raises(Exception, match="did you mean 'one'"):
        project.load().plan(["onne"])


@pytest.mark.parametrize(("number", "told"), [(errno.ENOSPC, True), (errno.EACCES, False)])
def test_how_much_room_the_disk_has_is_told_where_that_is_what_failed(faked, number: int, told: bool) -> None:
    faked.write("one")
    session = faked.load()

    def fails(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    faked.patch.setattr("arc_pipeline.defs.assets.training.run_group", fails)
    (failed,) = [outcome.failed for outcome in session.refresh(["checkpoint"]) if outcome.failed]
    assert f"checkpoint[one]: [Errno {number}] {os.strerror(number)}" in failed
    assert ("GB free on its disk" in failed) == told
