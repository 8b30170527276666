"""Recipes to token ids and labels, one example at a time. Knows tokenizers, not models or training."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase

from arc_pipeline.arc.augmentation.recipes import Recipe
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.arc.training.validation import validation_recipes
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.training.batching import IGNORED, Example
from arc_pipeline.model.weights.tokenization import EncodedExample, encode_example, token_hash

Tasks = Mapping[str, Sequence[Task]]


class ExampleDataset(Dataset[Example]):
    """Example i of the training, rendered and tokenized when it is indexed, and compared with its hash."""

    def __init__(
        self, recipes: pa.Table, tasks: Tasks, experiment: Experiment, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        self._recipes, self._tokenizer, self._supervise = recipes, tokenizer, experiment.supervise
        self._tasks = {(name, task.task_id): task for name, of_dataset in tasks.items() for task in of_dataset}
        self._encoder = parse_encoder(experiment.grid_encoder)

    def __len__(self) -> int:
        return self._recipes.num_rows

    def __getitem__(self, index: int) -> Example:
        row = self._recipes.slice(index, 1).to_pylist()[0]
        recipe = Recipe.from_row(row)
        prompt = recipe.render(self._tasks[recipe.dataset, recipe.task_id], self._encoder)
        example = encode_example(self._tokenizer, prompt, self._supervise)
        if token_hash(example.input_ids) != row["token_hash"]:
            raise ArcPipelineError(
                f"example {index} (task {recipe.task_id}) has other tokens than when it was checked; "
                "materialize augmented_examples again"
            )
        return labelled(example)

    def n_tokens(self) -> np.ndarray:
        """The length of each example, without rendering it."""
        return self._recipes["n_tokens"].to_numpy()


def labelled(example: EncodedExample) -> Example:
    """Token ids, and labels where there is supervision."""
    pairs = zip(example.input_ids, example.supervised, strict=True)
    return {"input_ids": example.input_ids, "labels": [token if keep else IGNORED for token, keep in pairs]}


def validation_examples(experiment: Experiment, tasks: Tasks, tokenizer: PreTrainedTokenizerBase) -> list[Example]:
    """The validation examples that fit max_seq_len, the longest first."""
    encoder = parse_encoder(experiment.grid_encoder)
    recipes = validation_recipes(experiment.validation, tasks, experiment.augmentation.max_demonstrations)
    prompts = (recipe.render(task, encoder) for recipe, task in recipes)
    encoded = (encode_example(tokenizer, prompt, experiment.supervise) for prompt in prompts)
    fitting = [labelled(example) for example in encoded if len(example.input_ids) <= experiment.max_seq_len]
    if experiment.validation and not fitting:
        names = ", ".join(source.dataset for source in experiment.validation)
        raise ArcPipelineError(f"validation: no test pair of {names} fits max_seq_len {experiment.max_seq_len}")
    return sorted(fitting, key=lambda example: len(example["input_ids"]), reverse=True)
