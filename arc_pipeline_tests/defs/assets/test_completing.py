"""What is computed and what is only read, on the real graph and a real instance, with a model that counts."""

import importlib
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.selector import PartitionRangeSelector, PartitionsByAssetSelector, PartitionsSelector
from dagster._core.execution.backfill import PartitionBackfill

from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.store import Store

PREDICTED = ("predictions", "attempts", "metrics")
TURNED = [f"{key}[turned/*" for key in PREDICTED]
PARTITIONS = ("t0.0|turned", "t1.0|turned")


@pytest.fixture
def counted(two: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Two experiments with their checkpoints, not evaluated yet; `calls` has the requests of each call of the model."""
    two.calls = list[Sequence[Any]]()

    def session() -> Any:
        loaded = two.load()
        complete = importlib.import_module("arc_pipeline.model.prediction.candidates").complete_candidates

        def counting(checkpoint: Any, requests: Sequence[Any], experiment: Any) -> Iterator[Any]:
            two.calls.append(requests)
            return complete(checkpoint, requests, experiment)

        monkeypatch.setattr("arc_pipeline.model.prediction.candidates.complete_candidates", counting)
        return loaded

    two.session = session
    write(two)
    forget(two, "completions", *PREDICTED)
    return two


def write(
    project: SimpleNamespace, datasets: Sequence[str] = ("mirror",), predictions: int = 4, **changes: Any
) -> None:
    """The experiment `turned`, with `predictions` candidates for two test pairs of each dataset."""
    predict = {"datasets": list(datasets), "predictions": predictions}
    project.write("turned", augmentation={"geometric": True, "colours": False}, predict=predict, **changes)


def requested(project: SimpleNamespace) -> list[list[tuple[str, int, float]]]:
    """For each call, (dataset, candidate, temperature) of its requests; forgets the calls."""
    calls = [[(one.dataset, one.candidate_index, one.temperature) for one in call] for call in project.calls]
    project.calls.clear()
    return calls


def predictions(store: Store) -> dict[str, Any]:
    """All that is recorded of the predictions and what follows them, but for times and runs; and the files' bytes."""
    found: dict[str, Any] = {}
    for key in PREDICTED:
        for decoding in ("t0.0", "t1.0"):
            artefact = Artefact(key, f"turned/{decoding}")
            record, place = store.lineage(artefact), store.current(artefact)
            assert record is not None
            files = {each.name: each.read_bytes() for each in place.glob("*.parquet")}
            times = {"run_id", "created_at", "seconds", "environment", "upstream_records"}
            found[f"{key}/{decoding}"] = (record.model_dump(exclude=times), files)
    return found


def forget(project: SimpleNamespace, *names: str) -> None:
    """Removes things from the store by moving them away."""
    for name in names:
        (project.data / "store" / name).rename(project.data / f"{name}-{time.time_ns()}")


def events(session: Any) -> set[tuple[str | None, str]]:
    """(partition, data version) of what Dagster knows of all materializations of the predictions."""
    records = session.instance.fetch_materializations(dg.AssetKey("predictions"), limit=100).records
    return {(each.partition_key, each.asset_materialization.tags["dagster/data_version"]) for each in records}


def test_temperatures_together_are_completed_in_one_call_and_come_out_as_alone(counted: SimpleNamespace) -> None:
    session = counted.session()
    outcomes = session.refresh(TURNED)
    runs = [outcome.batch.partition_key for outcome in outcomes if not outcome.failed and outcome.batch.decodings]
    assert runs == list(PARTITIONS)  # each a run of its own, with its own log, data version and failure
    (call,) = requested(counted)
    assert {temperature for _, _, temperature in call} == {0.0, 1.0}
    assert [each for each in call if each[2] == 1.0] == [("mirror", index, 1.0) for index in range(4)] * 2
    together, known = predictions(session.store), events(session)
    assert len({record["data_version"] for record, _ in together.values()}) == len(together)

    forget(counted, "completions", *PREDICTED)
    session = counted.session()
    for partition, temperature in zip(PARTITIONS, (0.0, 1.0), strict=True):
        assert not session.run(counted.batch(partition, *PREDICTED)).failed
        (call,) = requested(counted)
        assert {each[2] for each in call} == {temperature}
    assert predictions(session.store) == together
    assert events(session) == known
    assert session.plan(TURNED) == []


def test_only_the_new_ones_are_computed(counted: SimpleNamespace) -> None:
    counted.session().refresh(TURNED[:1])
    greedy = len([each for each in requested(counted)[0] if each[2] == 0.0])

    counted.set_decodings({"t0.0": 0.0, "t0.7": 0.7, "t1.0": 1.0})
    counted.session().refresh(TURNED[:1])
    (call,) = requested(counted)
    assert call == [("mirror", index, 0.7) for index in range(4)] * 2

    write(counted, predictions=6)
    counted.session().refresh(TURNED[:1])
    (call,) = requested(counted)
    assert {index for _, index, _ in call} == {4, 5}
    assert [each for each in call if each[2] == 0.7] == [("mirror", index, 0.7) for index in (4, 5)] * 2
    assert len([each for each in call if each[2] == 0.0]) <= 4

    counted.write_tasks("other", ("cc", "dd"), last=9)
    write(counted, ("mirror", "other"), 6)
    counted.session().refresh(TURNED[:1])
    (call,) = requested(counted)
    assert {dataset for dataset, _, _ in call} == {"other"}
    assert len([each for each in call if each[2]]) == 2 * 6 * 2

    write(counted)  # back to what it was: all is there
    counted.session().refresh(TURNED[:1])
    assert requested(counted) == []
    assert greedy <= 8


def test_another_checkpoint_or_other_code_reuses_nothing(
    counted: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted.session().refresh(TURNED[:1])
    (first,) = requested(counted)
    write(counted, learning_rate=0.5)
    counted.session().refresh(TURNED[:1])
    assert requested(counted) == [first]

    session = counted.session()
    session.run(counted.batch("t1.0|turned", "predictions"))
    assert requested(counted) == []
    monkeypatch.setattr("arc_pipeline.defs.assets.completing.completions_code", lambda: "another")
    session.run(counted.batch("t1.0|turned", "predictions"))
    assert requested(counted) == [[each for each in first if each[2] == 1.0]]


def test_a_damaged_shard_is_named_and_computed_again(counted: SimpleNamespace) -> None:
    session = counted.session()
    session.refresh(TURNED)
    (first,), before = requested(counted), predictions(session.store)
    (shard,) = (counted.data / "store" / "completions" / "turned").rglob("*.parquet")
    shard.write_bytes(shard.read_bytes()[:-50])
    outcome = session.run(counted.batch("t1.0|turned", "predictions"))
    assert requested(counted) == [[each for each in first if each[2] == 1.0]]
    messages = [entry.user_message for entry in session.instance.all_logs(outcome.run_id)]
    assert [each for each in messages if each.startswith(f"{shard} is skipped")]
    assert predictions(session.store) == before


def test_a_backfill_of_several_temperatures_calls_the_model_once(counted: SimpleNamespace) -> None:
    session = counted.session()
    session.refresh(["prediction_config", "evaluation_tasks"])
    launched = backfill(session, "t0.0|turned", "t1.0|turned")
    for partition in PARTITIONS:
        run(counted, session, partition, {"dagster/backfill": launched})
    (call,) = requested(counted)
    assert {each[2] for each in call} == {0.0, 1.0}

    run(counted, session, "t0.0|straight", {"dagster/backfill": launched})  # not in the backfill
    assert {each[2] for each in requested(counted)[0]} == {0.0}


def backfill(session: Any, first: str, last: str) -> str:
    """A backfill of the predictions in a range of partitions, as the UI asks for it."""
    selector = PartitionsSelector(ranges=[PartitionRangeSelector(start=first, end=last)])
    asked_for = PartitionBackfill.from_partitions_by_assets(
        "thebackfill",
        session.graph,
        time.time(),
        {},
        session.instance,
        [PartitionsByAssetSelector(asset_key=dg.AssetKey("predictions"), partitions=selector)],
        None,
        None,
        None,
    )
    session.instance.add_backfill(asked_for)
    return asked_for.backfill_id


def run(project: SimpleNamespace, session: Any, partition: str, tags: dict[str, str]) -> None:
    """A run of the predictions with tags of its own."""
    session.job.execute_in_process(
        instance=session.instance,
        partition_key=project.batch(partition).partition_key,
        asset_selection=[dg.AssetKey("predictions")],
        tags=tags,
    )


def test_the_time_of_a_shared_run_is_counted_where_it_belongs(
    counted: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = counted.session()
    complete = importlib.import_module("arc_pipeline.model.prediction.candidates").complete_candidates
    clock, ahead = time.monotonic, [0.0]

    def slow(checkpoint: Any, requests: Sequence[Any], experiment: Any) -> Iterator[Any]:
        for index, completion in complete(checkpoint, requests, experiment):
            ahead[0] += 400.0 if requests[index].temperature else 0.0
            yield index, completion

    monkeypatch.setattr("time.monotonic", lambda: clock() + ahead[0])
    monkeypatch.setattr("arc_pipeline.model.prediction.candidates.complete_candidates", slow)
    session.refresh(TURNED[:1])
    seconds = [session.store.lineage(Artefact("predictions", f"turned/{each}")).seconds for each in ("t0.0", "t1.0")]
    assert seconds[0] < 8 * 400 < seconds[1]  # though the run of t0.0 computed both
