"""A new experiment file as a copy of another one's text. Knows names and files, not the fields inside."""

from pathlib import Path

from arc_pipeline.arc.errors import ArcPipelineError
from arc_pipeline.arc.experiment import experiment_files
from arc_pipeline.arc.names import NAME_RULE, did_you_mean_or_all, is_name


def copy_experiment(directory: Path, source: str, name: str) -> Path:
    """Writes `NAME.yaml` with the text of `SOURCE.yaml`, comments and all; refuses a name that is bad or taken."""
    known = {each: paths[0] for each, paths in experiment_files(directory).items() if is_name(each)}
    if not is_name(name):
        raise ArcPipelineError(f"{name!r} cannot name an experiment: {NAME_RULE}")
    if source not in known:
        raise ArcPipelineError(f"there is no experiment {source!r}{did_you_mean_or_all(source, known)}")
    path = known.get(name) or directory / f"{name}.yaml"
    try:
        with path.open("xb") as file:  # refuses a file that is there, also one that another process writes now
            file.write(known[source].read_bytes())
    except FileExistsError as error:
        raise ArcPipelineError(f"{path} is there already; choose another name, or edit that file") from error
    return path
