"""A training that cannot go on from states that are there says so, and why."""

import json
from pathlib import Path
from typing import Any

from arc_pipeline.model.training.states import state_path


def an_unfinished_training(data: Path, identity: str, experiment: dict[str, Any]) -> Path:
    """States that are there when another training of the experiment begins."""
    work = data / "store" / "training" / "one" / identity
    state_path(work, 600).mkdir(parents=True)
    (work / "job.json").write_text(json.dumps({"experiment": experiment, "start": "tiny"}))
    return state_path(work, 600)


def test_other_states_are_named_with_what_changed(faked) -> None:
    faked.write("one")
    session = faked.load()
    fields = session.project.experiments().get("one").model_dump(mode="json")
    faster = an_unfinished_training(faked.data, "a", fields | {"learning_rate": 0.5})
    of_other_code = an_unfinished_training(faked.data, "b", fields)
    (faked.data / "store" / "training" / "one" / "c").mkdir()
    (outcome,) = [each for each in session.refresh(["checkpoint"]) if "checkpoint" in {n.key for n in each.made}]
    said = [entry.user_message for entry in session.instance.all_logs(outcome.run_id)]
    first, second = [words for words in said if words.startswith("this training begins at step 0")]
    assert f"does not resume from {faster}, for learning_rate: 0.5 -> " in first
    assert f"does not resume from {of_other_code}, for its code, its examples or its initial weights changed" in second
    assert "arc-pipeline prune" in second
