"""`bench data`: how fast examples are drawn, rendered and tokenized, against plain rendering and the tiny model."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from arc_pipeline.arc.augmentation.recipes import Recipe
from arc_pipeline.arc.augmentation.test_time import draw_all
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.rendering.prompt import PROMPTS
from arc_pipeline.arc.tasks.task import Grid, Pair, Task
from arc_pipeline.bench.examples import first_recipes
from arc_pipeline.bench.timing import Report, interleaved, rates, row
from arc_pipeline.bench.train_steps import project_step
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.examples.drawing import planned
from arc_pipeline.model.examples.grid_codes import NotSeparable
from arc_pipeline.model.examples.processes import draw_parts
from arc_pipeline.model.training.batching import IGNORED
from arc_pipeline.model.training.dataset import ExampleDataset
from arc_pipeline.model.weights.loading import load_start
from arc_pipeline.model.weights.tokenization import load_tokenizer, measured_by

EXAMPLES, DRAWN = 512, 2048
Tasks = Mapping[str, Sequence[Task]]
# each transform in numpy
PLAIN: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda cells: cells,
    "rotate_90": lambda cells: np.rot90(cells, -1),
    "rotate_180": lambda cells: np.rot90(cells, 2),
    "rotate_270": np.rot90,
    "flip_rows": np.flipud,
    "flip_columns": np.fliplr,
    "transpose": np.transpose,
    "anti_transpose": lambda cells: np.rot90(cells, 2).T,
}


def compare_rendering(experiment: Experiment, tasks: Tasks, report: Report = lambda text: None) -> list[dict[str, Any]]:
    """The rows of the benchmark; ArcPipelineError where plain rendering gives other tokens."""
    model, tokenizer = load_start("tiny", experiment)
    n_examples, size = min(EXAMPLES, experiment.n_examples), experiment.batch_size
    recipes = first_recipes(experiment, tasks, tokenizer, n_examples)
    ours, plain = ExampleDataset(recipes, tasks, experiment, tokenizer), plainly(recipes, tasks, experiment, tokenizer)
    batches = [[ours[index] for index in range(first, first + size)] for first in range(0, n_examples, size)]
    refuse_differences([example for batch in batches for example in batch], plain())
    step = project_step(model, tokenizer, experiment)
    timed: dict[str, Callable[[], Any]] = {
        "rendered": lambda: [ours[index] for index in range(n_examples)],
        "plain": plain,
        "drawn": partial(first_recipes, experiment, tasks, tokenizer, n_examples),
        "trained": lambda: [step(batch) for batch in batches],
    }
    seconds = interleaved(timed, report)
    words = {
        ("rendered", "plain"): "rendered and tokenized, against plain rendering",
        ("rendered", "trained"): "rendered and tokenized, against the tiny model's training",
        ("drawn", "trained"): "drawn and measured before a training, against the tiny model's training",
    }
    check = f"{n_examples} examples of {experiment.name} have equal tokens and labels"
    both = {name: (seconds[name[0]], seconds[name[1]]) for name in words}
    return [row(words[name], *rates(n_examples, n_examples, *both[name]), "examples/s", check) for name in words]


def compare_drawing(experiment: Experiment, tasks: Tasks, report: Report = lambda text: None) -> list[dict[str, Any]]:
    """The row of all examples at once against one by one; ArcPipelineError where the tables differ."""
    tokenizer = load_tokenizer(experiment.model, experiment)
    steps = max(1, min(DRAWN, experiment.n_examples) // experiment.batch_size)
    few = experiment.model_copy(update={"max_steps": steps})
    measure = measured_by(tokenizer, parse_encoder(few.grid_encoder))
    try:
        plan = planned(few, tasks, tokenizer)
    except NotSeparable as reason:
        report(f"examples are tokenized one by one, for the faster way is not known to give the same: {reason}")
        return []
    timed: dict[str, Callable[[], Any]] = {
        "at once": lambda: pa.concat_tables(drawn for drawn, _ in draw_parts(plan, None, report)),
        "one by one": lambda: draw_all(few, tasks, measure).draws,
    }
    order = [("example", "ascending"), ("attempt", "ascending")]
    tables = [way().sort_by(order) for way in timed.values()]
    if not tables[0].equals(tables[1]):
        raise ArcPipelineError("bench data: examples drawn at once are others than one by one")
    seconds, n = interleaved(timed, report), few.n_examples
    check = f"{tables[0].num_rows} draws of {few.name} have equal recipes, lengths and hashes of tokens"
    name = "drawn and measured before a training, all at once in one process, against one by one"
    return [row(name, *rates(n, n, seconds["at once"], seconds["one by one"]), "examples/s", check)]


def compare_reading(load: Callable[[], Sequence[Task]], report: Report = lambda text: None) -> list[dict[str, Any]]:
    """The row of a dataset read and validated, against parsing as much JSON alone: below 1, for it does more."""
    tasks = load()
    text = json.dumps({task.task_id: [(pair.input, pair.output) for pair in task.pairs] for task in tasks})
    seconds = interleaved({"read": load, "parsed": lambda: json.loads(text)}, report)
    both = rates(len(tasks), len(tasks), seconds["read"], seconds["parsed"])
    return [row("read and validated, against parsing JSON", *both, "tasks/s", f"{len(tasks)} tasks are whole")]


def refuse_differences(ours: Sequence[dict[str, Any]], plain: Sequence[dict[str, Any]]) -> None:
    """ArcPipelineError at the first example that differs."""
    for index, pair in enumerate(zip(ours, plain, strict=True)):
        if pair[0] != pair[1]:
            raise ArcPipelineError(f"bench data: example {index} has other tokens when it is rendered plainly")


def plainly(
    recipes: pa.Table, tasks: Tasks, experiment: Experiment, tokenizer: Any
) -> Callable[[], list[dict[str, Any]]]:
    """The obvious way: every pair augmented by numpy, the whole tokenized, and the prompt again for labels."""
    encoder = parse_encoder(experiment.grid_encoder)
    by_id = {(name, task.task_id): task for name, of_dataset in tasks.items() for task in of_dataset}

    def example(row: dict[str, Any]) -> dict[str, Any]:
        recipe = Recipe.from_row(row)
        pairs = [augmented(pair, recipe) for pair in by_id[recipe.dataset, recipe.task_id].pairs]
        prompt = PROMPTS[recipe.prompt](
            [pairs[index] for index in recipe.demonstrations], pairs[recipe.target], encoder
        )
        ids = tokenizer(prompt.text + prompt.answer, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        prompt_length = len(tokenizer(prompt.text, add_special_tokens=False)["input_ids"])
        return {"input_ids": ids, "labels": [IGNORED] * prompt_length + ids[prompt_length:]}

    return lambda: [example(row) for row in recipes.to_pylist()]


def augmented(pair: Pair, recipe: Recipe) -> Pair:
    """Both grids of a pair under the recipe's augmentation."""
    colours, turn = np.array(recipe.augmentation.colour_map), PLAIN[recipe.augmentation.transform]

    def apply(grid: Grid) -> Grid:
        return tuple(map(tuple, colours[turn(np.array(grid))].tolist()))

    return Pair(apply(pair.input), apply(pair.output))
