"""All parts of the examples of a training, and a file of it that other processes read. Draws nothing by itself."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from arc_pipeline.arc.settings import AugmentationConfig, TrainingData
from arc_pipeline.arc.tasks.grid_arrays import GridArrays
from arc_pipeline.model.examples.grid_codes import GridCodes, Layout
from arc_pipeline.model.examples.parts import Corpus, PartDrawer
from arc_pipeline.store.tables import write_whole
from arc_pipeline.uncounted import uncounted

DrawnPart: TypeAlias = tuple[pa.Table, str]
PLAN = "plan.json"


@dataclass(frozen=True)
class Part:
    """Examples that are drawn together: from these datasets, whose tasks are where `begins` says (see `Corpus`)."""

    train: tuple[TrainingData, ...]
    begins: Mapping[str, tuple[int, int]]
    first: int
    n_examples: int


@dataclass(frozen=True)
class Plan:
    """All parts of a training's examples, and what is needed to draw them."""

    parts: Sequence[Part]
    corpus: Corpus
    codes: GridCodes
    config: AugmentationConfig
    seed: int
    max_seq_len: int

    def draw(self, numbers: Iterator[int]) -> Iterator[tuple[int, DrawnPart]]:
        """(number, all draws of that part and why it cannot be had); see `PartDrawer.draw`."""
        drawer, of = None, None
        for number in numbers:
            part = self.parts[number]
            if drawer is None or of != (part.train, part.begins):
                drawer, of = self.drawer(part), (part.train, part.begins)
            yield number, drawer.draw(part.first, part.n_examples, self.max_seq_len)

    def drawer(self, part: Part) -> PartDrawer:
        """What draws the examples of a part."""
        corpus = replace(self.corpus, begins=part.begins)
        return PartDrawer(part.train, corpus, self.config, self.seed, self.codes)


@uncounted("where parts are drawn changes none of them")
def written(plan: Plan, work: Path) -> Plan:
    """Writes the plan for other processes, the grids as arrays that all of them map; the same plan, mapping them."""
    plan.corpus.grids.write(work)
    document = {
        "parts": [_described_part(part) for part in plan.parts],
        "begins": plan.corpus.begins,
        "task_ids": plan.corpus.task_ids.to_pylist(),
        "codes": _described_codes(plan.codes),
        "config": plan.config.model_dump(mode="json"),
        "seed": plan.seed,
        "max_seq_len": plan.max_seq_len,
    }
    write_whole(json.dumps(document).encode(), work / PLAN)
    return replace(plan, corpus=replace(plan.corpus, grids=GridArrays.read(work)))


@uncounted("where parts are drawn changes none of them")
def read_plan(work: Path) -> Plan:
    """What `written` wrote."""
    document = json.loads((work / PLAN).read_bytes())
    task_ids = pa.array(document["task_ids"], pa.string())
    return Plan(
        [_part(part) for part in document["parts"]],
        Corpus(_begins(document["begins"]), task_ids, GridArrays.read(work)),
        _codes(document["codes"]),
        AugmentationConfig.model_validate(document["config"]),
        document["seed"],
        document["max_seq_len"],
    )


def _described_part(part: Part) -> dict[str, Any]:
    train = [data.model_dump(mode="json") for data in part.train]
    return {"train": train, "begins": part.begins, "first": part.first, "n_examples": part.n_examples}


def _part(document: Mapping[str, Any]) -> Part:
    train = tuple(TrainingData.model_validate(data) for data in document["train"])
    return Part(train, _begins(document["begins"]), document["first"], document["n_examples"])


def _begins(document: Mapping[str, list[int]]) -> dict[str, tuple[int, int]]:
    return {dataset: (begin, n_tasks) for dataset, (begin, n_tasks) in document.items()}


def _described_codes(codes: GridCodes) -> dict[str, Any]:
    layouts = [
        [*prompt, [glue.hex() for glue in layout.glue], layout.grids] for prompt, layout in codes.layouts.items()
    ]
    templates = [[*shape, core.tobytes().hex(), at.tolist()] for shape, (core, at) in codes.templates.items()]
    return {"ids": codes.ids, "templates": templates, "layouts": layouts}


def _codes(document: Mapping[str, Any]) -> GridCodes:
    templates = {
        (rows, columns): (np.frombuffer(bytes.fromhex(core), np.uint8), np.array(at, np.int64))
        for rows, columns, core, at in document["templates"]
    }
    layouts = {
        (prompt, n_shown): Layout(tuple(map(bytes.fromhex, glue)), tuple((pair, part) for pair, part in grids))
        for prompt, n_shown, glue, grids in document["layouts"]
    }
    return GridCodes(document["ids"], templates, layouts)
