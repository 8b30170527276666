"""The examples of one training, or of one task, drawn in stretches: what a process needs for that, and its tables.

Knows nothing of processes. The tables are those that `arc.augmentation.recipes.draw_examples` makes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arc_pipeline.arc.augmentation.augmentation import TRANSFORM_NAMES
from arc_pipeline.arc.augmentation.batch_draws import NO_PAIR, BatchDrawer, Draws
from arc_pipeline.arc.augmentation.random_streams import Numbers
from arc_pipeline.arc.augmentation.recipes import MAX_ATTEMPTS, RECIPE_SCHEMA, ExamplesTooLong, Recipe
from arc_pipeline.arc.settings import AugmentationConfig, TrainingData
from arc_pipeline.arc.tasks.grid_arrays import GridArrays
from arc_pipeline.model.examples.grid_codes import GridCodes
from arc_pipeline.model.examples.measuring import ExampleMeasure

# drawn and measured at once
ROWS_AT_A_TIME = 4096


@dataclass(frozen=True)
class Corpus:
    """The tasks that are drawn from, all datasets one after another.

    `begins`: where the tasks of each dataset begin, and their number. `task_ids` are those of all tasks.
    """

    begins: Mapping[str, tuple[int, int]]
    task_ids: pa.StringArray
    grids: GridArrays

    def pairs(self, dataset: str) -> Numbers:
        """(tasks, 2) the train and test pairs of the tasks of a dataset."""
        begin, n_tasks = self.begins[dataset]
        return self.grids.pairs[begin : begin + n_tasks]


class PartDrawer:
    """Draws stretches of examples from training data."""

    def __init__(
        self, train: Sequence[TrainingData], corpus: Corpus, config: AugmentationConfig, seed: int, codes: GridCodes
    ) -> None:
        self.drawer = BatchDrawer(train, {data.dataset: corpus.pairs(data.dataset) for data in train}, config, seed)
        self._train, self._corpus, source = train, corpus, self.drawer.source
        begins = np.array([corpus.begins[data.dataset][0] for data in train])
        self.task = begins[source] + self.drawer.task
        prompts = [data.prompt for data in train]
        first_pair = corpus.grids.first_pair[self.task]
        self.measure = ExampleMeasure(codes, corpus.grids, first_pair, source, prompts)

    def draw(self, first: int, n_examples: int, max_seq_len: int) -> tuple[pa.Table, str]:
        """(all draws of these examples, empty or why the first of them that is always too long cannot be had).

        Those with more than `max_seq_len` tokens are the ledger. Ordered by example and attempt.
        """
        tables: list[pa.Table] = []
        refused: list[tuple[int, str]] = []
        for begin in range(first, first + n_examples, ROWS_AT_A_TIME):
            waiting = np.arange(begin, min(begin + ROWS_AT_A_TIME, first + n_examples))
            for attempt in range(MAX_ATTEMPTS):
                table = self._table(waiting, attempt)
                tables.append(table)
                waiting = waiting[table["n_tokens"].to_numpy() > max_seq_len]
                if not len(waiting):
                    break
            else:
                last = table.filter(pc.field("example") == int(waiting[0])).to_pylist()[0]
                refused.append((int(waiting[0]), str(ExamplesTooLong.after(last, max_seq_len))))
                break
        drawn = pa.concat_tables(tables).sort_by([("example", "ascending"), ("attempt", "ascending")])
        if refused:
            drawn = drawn.filter(pc.field("example") <= refused[0][0])
        return drawn, refused[0][1] if refused else ""

    def recipe(self, draws: Draws, row: int) -> Recipe:
        """The recipe of one draw."""
        columns = self._described(draws)
        return Recipe.from_row({name: column[row].as_py() for name, column in columns.items()})

    def draw_alone(self, example: int) -> Recipe:
        """The recipe of an example's first draw, drawn one by one."""
        choice, shown, target, augmentation = self.drawer.draw_alone(example)
        data, task_id = self._train[self.drawer.source[choice]], self._corpus.task_ids[int(self.task[choice])].as_py()
        return Recipe(data.dataset, task_id, data.prompt, augmentation, shown, target)

    def _table(self, examples: Numbers, attempt: int) -> pa.Table:
        attempts = np.full(len(examples), attempt)
        draws = self.drawer.draw(examples, attempts)
        n_tokens, token_hash = self.measure.measure(draws)
        columns = {
            "example": pa.array(examples),
            "attempt": pa.array(attempts.astype(np.int32)),
            "n_tokens": pa.array(n_tokens),
            "token_hash": pa.array(token_hash),
            **self._described(draws),
        }
        return pa.Table.from_arrays([columns[name] for name in RECIPE_SCHEMA.names], schema=RECIPE_SCHEMA)

    def _described(self, draws: Draws) -> dict[str, pa.Array]:
        """The columns that say which recipes draws are."""
        source, task = self.drawer.source[draws.choice], self.task[draws.choice]
        return {
            "dataset": _named([data.dataset for data in self._train], source),
            "task_id": self._corpus.task_ids.take(pa.array(task)),
            "prompt": _named([data.prompt for data in self._train], source),
            "transform": _named(TRANSFORM_NAMES, draws.transform),
            "colour_map": _lists(draws.colours.astype(np.int8), np.ones(draws.colours.shape, bool)),
            "demonstrations": _lists(draws.shown, draws.shown != NO_PAIR),
            "target": pa.array(draws.target),
            "target_is_test": pa.array(draws.target >= self._corpus.grids.pairs[task, 0]),
        }


def _named(names: Sequence[str], places: np.ndarray) -> pa.Array:
    return pa.array(names, pa.string()).take(pa.array(places))


def _lists(values: np.ndarray, belongs: np.ndarray) -> pa.ListArray:
    """A list of each row: those of its values that belong to it."""
    offsets = np.concatenate([[0], np.cumsum(belongs.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values[belongs]))
