"""Real training examples drawn on the fly, as the pipeline would draw them. Knows no Dagster and writes nothing."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from arc_pipeline.arc.encoder import parse_encoder
from arc_pipeline.arc.examples import RECIPE_SCHEMA, Recipe, RecipeDrawer, draw_examples
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.task import Task
from arc_pipeline.model.tokenization import encode_example, token_hash

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def first_recipes(
    experiment: Experiment, tasks: Mapping[str, Sequence[Task]], tokenizer: "PreTrainedTokenizerBase", n_examples: int
) -> pa.Table:
    """The recipes of the training's first examples: they have the lengths of all, for each is drawn alike."""
    encoder = parse_encoder(experiment.grid_encoder)

    def measure(recipe: Recipe, task: Task) -> tuple[int, int]:
        ids = encode_example(tokenizer, recipe.render(task, encoder)).input_ids
        return len(ids), token_hash(ids)

    drawer = RecipeDrawer(experiment.training_data, tasks, experiment.drawing, experiment.seed)
    drawn = draw_examples(drawer, n_examples, experiment.max_seq_len, measure)
    return pa.Table.from_pylist([row for accepted, row in drawn if accepted], schema=RECIPE_SCHEMA)
