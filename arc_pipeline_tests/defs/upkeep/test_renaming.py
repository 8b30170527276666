"""What was made under a former name is taken over: nothing costly is made again, and nothing of before is lost."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from arc_pipeline.arc.renaming import edits
from arc_pipeline.defs.assets.training import training_job
from arc_pipeline.defs.upkeep import renaming
from arc_pipeline.defs.upkeep.renaming import NAMES_EXPERIMENTS, Renaming, alike, take_over
from arc_pipeline.defs.upkeep.session import Session
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.store.artefact import Artefact, hash_json
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.pruning import UNFINISHED
from arc_pipeline.store.tables import read_table
from arc_pipeline.store.trace import lineage_chain

COSTLY = {"augmented_examples", "checkpoint", "predictions"}


def rename_files(data: Path, kind: renaming.Kind, old: str, new: str) -> None:
    for edit in edits(data, kind, old, new):
        edit.apply()


def to_make(session: Session) -> set[str]:
    return {str(status.node.artefact) for status in session.plan()}


def versions(session: Session, experiment: str) -> dict[str, str]:
    """By asset and decoding, of the artefacts of an experiment."""
    return {
        str(artefact).replace(experiment, ""): record.data_version
        for artefact in session.store.artefacts()
        if artefact.partition.split("/")[0] == experiment and (record := session.store.lineage(artefact))
    }


def metrics(session: Session, experiment: str) -> list[dict[str, object]]:
    return read_table(session.store.current(Artefact("metrics", f"{experiment}/t0.0")), "metrics").to_pylist()


def test_only_tables_of_experiments_depend_on_the_name_of_one(two) -> None:
    shutil.copy(two.data / "experiments" / "straight.yaml", two.data / "experiments" / "again.yaml")
    session = two.load()
    assert not [each.failed for each in session.refresh(["again"]) if each.failed]
    again, straight = versions(session, "again"), versions(session, "straight")
    assert again.keys() == straight.keys()
    differing = {name.partition("[")[0] for name in again if again[name] != straight[name]}
    assert differing == NAMES_EXPERIMENTS & {name.partition("[")[0] for name in again}


def test_an_experiment_that_was_renamed_by_hand_is_said_to_be_alike_and_taken_over(two) -> None:
    before = two.load()
    made, numbers = versions(before, "straight"), metrics(before, "straight")
    traced = lineage_chain(before.store, Artefact("metrics", "straight/t0.0"))
    files = two.data / "experiments"
    (files / "straight.yaml").rename(files / "plain.yaml")

    session = two.load()
    assert alike(session.project, session.plan()) == [Renaming("experiment", "straight", "plain")]
    taken = take_over(session, Renaming("experiment", "straight", "plain"))

    left = {name.partition("[")[0] for name in to_make(session)}
    assert left == NAMES_EXPERIMENTS
    outcomes = session.refresh([])
    assert not [each.failed for each in outcomes if each.failed]
    assert to_make(session) == set()
    assert versions(session, "plain").keys() == made.keys()
    assert metrics(session, "plain") == numbers
    checkpoint = next(record for record in taken if record.artefact == "checkpoint[plain]")
    assert checkpoint.renamed_from.startswith("checkpoint[straight]@")
    assert lineage_chain(session.store, Artefact("metrics", "straight/t0.0")) == traced
    # of the former name nothing is needed any more
    shutil.rmtree(two.data / "store" / "checkpoint" / "straight")
    assert not any(two.load().store.problem_of(record) for record in taken)
    assert take_over(session, Renaming("experiment", "straight", "plain")) == []


def test_what_starts_from_a_renamed_experiment_keeps_its_training(two) -> None:
    two.write("after", initial_checkpoint="straight")
    session = two.load()
    assert not [each.failed for each in session.refresh(["after"]) if each.failed]
    rename_files(two.data, "experiment", "straight", "plain")
    assert "initial_checkpoint: plain" in (two.data / "experiments" / "after.yaml").read_text()
    session = two.load()
    assert "checkpoint[after]" in to_make(session)
    take_over(session, Renaming("experiment", "straight", "plain"))
    assert {name.partition("[")[0] for name in to_make(session)} <= NAMES_EXPERIMENTS
    chain = {entry["artefact"] for entry in lineage_chain(session.store, Artefact("checkpoint", "after"))}
    assert "checkpoint[plain]" in chain
    assert not {name for name in chain if "straight" in name}


def test_a_copy_is_not_trained_again_and_the_first_one_stays(two) -> None:
    shutil.copy(two.data / "experiments" / "straight.yaml", two.data / "experiments" / "again.yaml")
    session = two.load()
    take_over(session, Renaming("experiment", "straight", "again"))
    assert {name.partition("[")[0] for name in to_make(session)} == NAMES_EXPERIMENTS
    weights = [session.store.current(Artefact("checkpoint", name)) for name in ("straight", "again")]
    assert weights[0] != weights[1]
    assert (weights[0] / "model.safetensors").samefile(weights[1] / "model.safetensors")


def test_a_renamed_experiment_that_differs_in_more_than_the_name_is_stale(two) -> None:
    (two.data / "experiments" / "straight.yaml").unlink()
    two.write("plain", learning_rate=0.5)
    session = two.load()
    assert alike(session.project, session.plan()) == []
    take_over(session, Renaming("experiment", "straight", "plain"))
    assert {"training_config[plain]", "checkpoint[plain]", "predictions[plain/t0.0]"} <= to_make(session)
    assert "augmented_examples[plain]" not in to_make(session)


def test_a_renamed_dataset_costs_no_training(two) -> None:
    before = two.load()
    numbers = metrics(before, "straight")
    predictions = before.store.required(Artefact("predictions", "straight/t0.0"))
    rename_files(two.data, "dataset", "mirror", "reflection")
    assert not list((two.data / "raw").glob("mirror*"))
    session = two.load()
    assert {name.partition("[")[0] for name in to_make(session)} >= COSTLY

    taken = take_over(session, Renaming("dataset", "mirror", "reflection"))

    assert not COSTLY & {name.partition("[")[0] for name in to_make(session)}
    assert not [each.failed for each in session.refresh([]) if each.failed]
    assert to_make(session) == set()
    assert metrics(session, "straight") == [row | {"dataset": "reflection"} for row in numbers]
    examples = read_table(session.store.current(Artefact("augmented_examples", "turned")), "augmented_examples")
    assert examples["dataset"].unique().to_pylist() == ["reflection"]
    # what was written before is as it was
    assert session.store.problem_of(predictions) == ""
    assert {record.artefact for record in taken} >= {"checkpoint[straight]", "predictions[turned/t1.0]"}


def test_another_dataset_is_not_taken_for_a_renamed_one(two) -> None:
    (two.data / "raw" / "mirror.json").unlink()
    two.write_tasks("reflection", last=7)
    for name in ("straight", "turned"):
        two.write(name, train=[{"dataset": "reflection"}], predict={"datasets": ["reflection"], "predictions": 2})
    with pytest.raises(ArcPipelineError, match="dataset reflection has other tasks than mirror had"):
        take_over(two.load(), Renaming("dataset", "mirror", "reflection"))


def test_an_unfinished_training_and_its_completions_go_along(two, monkeypatch: pytest.MonkeyPatch) -> None:
    session, places = two.load(), []
    store = session.store

    def place(session: Session, name: str) -> Path:
        """Where the training of an experiment is kept until it is finished, as the asset says itself."""

        def stop(*arguments: object) -> None:
            job = training_job(*arguments)
            places.append(job.work)
            raise ArcPipelineError("stopped")

        with monkeypatch.context() as patch:
            patch.setattr("arc_pipeline.defs.assets.training.training_job", stop)
            session.run(two.batch(name, "checkpoint"))
        return places[-1]

    state = place(session, "straight") / "checkpoint-3"
    state.mkdir(parents=True)
    rename_files(two.data, "experiment", "straight", "plain")
    (store.root / "completions" / "straight").mkdir(parents=True, exist_ok=True)
    session = two.load()
    take_over(session, Renaming("experiment", "straight", "plain"))
    assert (place(session, "plain") / "checkpoint-3").is_dir()
    assert not state.exists()
    assert (store.root / "completions" / "plain").is_dir()
    assert store.root / UNFINISHED / "plain" in places[-1].parents


@pytest.mark.parametrize("n_taken", [0, 1, 5, 9])
def test_an_interrupted_one_goes_on(two, n_taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rename_files(two.data, "experiment", "straight", "plain")
    session, count = two.load(), itertools.count()
    share: Callable[..., None] = renaming._share

    def interrupt(*arguments: object) -> None:
        if next(count) == n_taken:
            raise KeyboardInterrupt
        share(*arguments)

    monkeypatch.setattr(renaming, "_share", interrupt)
    with pytest.raises(KeyboardInterrupt):
        take_over(session, Renaming("experiment", "straight", "plain"))
    monkeypatch.setattr(renaming, "_share", share)
    take_over(session, Renaming("experiment", "straight", "plain"))
    session.refresh([])
    assert to_make(session) == set()
    assert [record.renamed_from != "" for record in history(session, "checkpoint[plain]")] == [True]


def history(session: Session, name: str) -> list[Lineage]:
    return session.store.history(Artefact.parse(name))


def test_what_is_not_there_or_damaged_is_refused_or_made_again(two) -> None:
    with pytest.raises(ArcPipelineError, match="nothing was made of experiment 'strait'; did you mean 'straight'"):
        take_over(two.load(), Renaming("experiment", "strait", "plain"))
    rename_files(two.data, "experiment", "straight", "plain")
    session = two.load()
    weights = session.store.current(Artefact("checkpoint", "straight")) / "model.safetensors"
    weights.write_text("damaged")
    take_over(session, Renaming("experiment", "straight", "plain"))
    assert "checkpoint[plain]" in to_make(session)
    assert "augmented_examples[plain]" not in to_make(session)


def test_a_faulty_file_of_another_experiment_stops_nothing(two) -> None:
    rename_files(two.data, "experiment", "straight", "plain")
    (two.data / "experiments" / "turned.yaml").write_text("model: [")
    session = two.load()
    taken = {record.artefact for record in take_over(session, Renaming("experiment", "straight", "plain"))}
    assert {"checkpoint[plain]", "predictions[plain/t1.0]", "metrics[plain/t0.0]"} <= taken


def test_work_name_is_that_of_the_asset() -> None:
    assert renaming._work_name({"b": "2", "a": "1"}, "code") == hash_json([{"a": "1", "b": "2"}, "code"])[:16]
