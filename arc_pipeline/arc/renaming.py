"""Renames an experiment or a dataset in the files of a project, and leaves all else in them as it was written."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from arc_pipeline.arc.names import NAME_RULE, is_name
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.store.tables import write_whole
from arc_pipeline.uncounted import uncounted

uncounted("changes what files are called, and no data")

Kind = Literal["experiment", "dataset"]
Place = tuple[str, ...]
ANY = "*"
# where the files name an experiment or a dataset, `*` is any key and any place in a list
IN_EXPERIMENTS: dict[Kind, list[Place]] = {
    "experiment": [("initial_checkpoint",)],
    "dataset": [("train", ANY, "dataset"), ("validation", ANY, "dataset"), ("predict", "datasets", ANY)],
}
IN_DATASETS: dict[Kind, list[Place]] = {"experiment": [], "dataset": [(ANY, "of"), (ANY, "union", ANY)]}
IN_QUEUE: dict[Kind, list[Place]] = {"experiment": [(ANY,)], "dataset": []}


@dataclass(frozen=True)
class Edit:
    """What is to be done to a file: another content, another name, or both."""

    path: Path
    text: str | None = None
    target: Path | None = None

    def apply(self) -> None:
        """Does it; each step leaves the file whole."""
        if self.text is not None:
            write_whole(self.text.encode(), self.path)
        if self.target:
            self.path.rename(self.target)


def refuse_name(name: str) -> None:
    """ArcPipelineError unless it may be the name of an experiment or a dataset."""
    if not is_name(name):
        raise ArcPipelineError(f"{name!r} cannot be a name: {NAME_RULE}")


def edits(data: Path, kind: Kind, old: str, new: str) -> list[Edit]:
    """All that a new name changes in the files of a data directory, the file or entry itself last.

    Empty if the files have the new name everywhere already.
    """
    found = []
    places = dict.fromkeys(sorted((data / "experiments").rglob("*.yaml")), IN_EXPERIMENTS[kind])
    places |= {data / "training_queue.yaml": IN_QUEUE[kind], data / "datasets.yaml": IN_DATASETS[kind]}
    own = [path for path in places if path.parent != data and path.stem == old]
    for path, patterns in places.items():
        if not path.is_file():
            continue
        before = path.read_text()
        after = replaced(before, patterns, old, new, also_keys=kind == "dataset" and path.name == "datasets.yaml")
        target = path.with_name(f"{new}.yaml") if kind == "experiment" and path in own else None
        if after != before or target:
            found.append(Edit(path, after if after != before else None, target))
    if kind == "dataset":
        found += _raw_files(data / "raw", old, new)
    return sorted(found, key=lambda edit: edit.target is not None)


def _raw_files(raw: Path, old: str, new: str) -> Iterator[Edit]:
    """The files in data/raw/ after which a dataset is called: X.json, X_challenges.json, a folder X."""
    called = re.compile(rf"{re.escape(old)}((_challenges|_solutions)?(\.[a-z]+)*)")
    for path in sorted(raw.iterdir()) if raw.is_dir() else []:
        if name := called.fullmatch(path.name):
            yield Edit(path, target=path.with_name(f"{new}{name[1]}"))


def replaced(text: str, patterns: Sequence[Place], old: str, new: str, also_keys: bool = False) -> str:
    """The YAML text with each name at one of the places replaced; `also_keys`: those of the whole document as well.

    A text that is no YAML comes back as it is.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return text
    spans = {
        (node.start_mark.index, node.end_mark.index)
        for path, node, is_key in _scalars(root, ())
        if node.value == old
        and ((is_key and also_keys and len(path) == 1) or (not is_key and any(_fits(path, each) for each in patterns)))
    }
    for begin, end in sorted(spans, reverse=True):
        text = text[:begin] + _scalar(new) + text[end:]
    return text


def _scalars(node: yaml.Node | None, path: Place) -> Iterator[tuple[Place, yaml.ScalarNode, bool]]:
    """(place, scalar, whether it is a key) for all of a document; the place of a key ends with it."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield (*path, key.value), key, True
                yield from _scalars(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _scalars(value, (*path, ANY))
    elif isinstance(node, yaml.ScalarNode):
        yield path, node, False


def _fits(path: Place, pattern: Place) -> bool:
    return len(path) == len(pattern) and all(part in (ANY, name) for name, part in zip(path, pattern, strict=True))


def _scalar(name: str) -> str:
    """A name as YAML, in quotes if it would be read as something else than text."""
    return name if isinstance(yaml.safe_load(name), str) else f'"{name}"'
