"""New experiment files made from another one: a copy of its text, or its test-time training."""

from pathlib import Path
from typing import Any, Literal

import yaml

from arc_pipeline.arc.experiment import Experiment, experiment_files, read_experiment
from arc_pipeline.arc.names import NAME_RULE, did_you_mean_or_all, is_name
from arc_pipeline.arc.tasks.documents import TypedLoader
from arc_pipeline.errors import ArcPipelineError

# with these the training that it starts from fits into memory, so its test-time training does too
IN_MEMORY = ("micro_batch_size", "gradient_checkpointing", "precision", "packing")
# what the two have in common, as far as that file says it
SHARED = ("model", "chat", "vocabulary", "grid_encoder", "supervise", "batch_size", *IN_MEMORY, "max_seq_len", "seed")
RANK, LEARNING_RATE = 8, 1e-4
STEPS = {"dataset": 200, "task": 50}
Scope = Literal["dataset", "task"]


def copy_experiment(directory: Path, source: str, name: str) -> Path:
    """Writes `NAME.yaml` with the text of `SOURCE.yaml`, comments and all; refuses a name that is bad or taken."""
    return _write(directory, name, _file(directory, source, name).read_bytes())


def write_template(directory: Path, name: str, dataset: str) -> Path:
    """Writes `NAME.yaml` with every field, explained; it is trained and evaluated on one dataset."""
    from arc_pipeline.arc.experiment_docs import template

    if not is_name(name):
        raise ArcPipelineError(f"{name!r} cannot name an experiment: {NAME_RULE}")
    return _write(directory, name, template(dataset).encode())


def adapt_experiment(directory: Path, source: str, name: str, scope: Scope = "dataset") -> Path:
    """Writes `NAME.yaml`: a small adapter, trained from SOURCE's checkpoint on what its prediction datasets show, or
    one for each of their tasks."""
    file = _file(directory, source, name)
    base, content = read_experiment(file), yaml.load(file.read_bytes(), TypedLoader)
    if base.test_time == "task":
        raise ArcPipelineError(
            f"{source} has an adapter for each task, and no training can start from all of them; start from "
            f"{base.initial_checkpoint}, as {source} does"
        )
    fields: dict[str, Any] = {"initial_checkpoint": source, "test_time": scope}
    fields |= {"tuning": {"method": "lora", "rank": min(RANK, base.tuning.rank)}}
    fields |= {"max_steps": STEPS[scope], "learning_rate": max(LEARNING_RATE, base.learning_rate)}
    fields |= {key: content[key] for key in SHARED if key in content}
    if base.processes > 1:  # this one is a single process, and takes no more at once than each of those
        fields["micro_batch_size"] = base.micro_batch_size or base.batch_size // base.processes
    shown = {key: value for key, value in content.get("augmentation", {}).items() if key != "target"}
    predict = {key: value for key, value in content["predict"].items() if key != "at_steps"}
    fields |= ({"augmentation": shown} if shown else {}) | {"predict": predict}
    Experiment.model_validate({"name": name, **fields})
    comment = f"# Test-time training of {source} on the demonstrations of its evaluation tasks.\n"
    return _write(directory, name, (comment + yaml.safe_dump(fields, sort_keys=False)).encode())


def _file(directory: Path, source: str, name: str) -> Path:
    known = {known_name: paths[0] for known_name, paths in experiment_files(directory).items() if is_name(known_name)}
    if not is_name(name):
        raise ArcPipelineError(f"{name!r} cannot name an experiment: {NAME_RULE}")
    if source not in known:
        raise ArcPipelineError(f"there is no experiment {source!r}{did_you_mean_or_all(source, known)}")
    return known[source]


def _write(directory: Path, name: str, content: bytes) -> Path:
    path = experiment_files(directory).get(name, [directory / f"{name}.yaml"])[0]
    try:
        with path.open("xb") as file:  # refuses a file that is there, also one that another process writes now
            file.write(content)
    except FileExistsError as error:
        raise ArcPipelineError(f"{path} is there already; choose another name, or edit that file") from error
    return path
