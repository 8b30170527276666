"""All examples of an experiment, as arrays where its tokenizer and encoder allow it, else one by one.

The rows are the same either way, and a sample is compared before anything relies on that. Many are drawn in parts, by
several processes; parts that a killed run had finished are used again.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arc_pipeline.arc.augmentation.batch_draws import most_shown, usable_rows
from arc_pipeline.arc.augmentation.checks import DrawnExamples, Tasks
from arc_pipeline.arc.augmentation.recipes import RECIPE_SCHEMA, ExamplesTooLong
from arc_pipeline.arc.augmentation.test_time import draw_all, drawing_config, no_task_fits, training_tasks
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.rendering.encoder import GridEncoder, parse_encoder
from arc_pipeline.arc.tasks.grid_arrays import GridArrays
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.model.examples.grid_codes import GridCodes, NotSeparable
from arc_pipeline.model.examples.measuring import measured_with
from arc_pipeline.model.examples.parts import Corpus
from arc_pipeline.model.examples.plan import DrawnPart, Part, Plan
from arc_pipeline.model.examples.processes import Say, draw_parts
from arc_pipeline.model.weights.tokenization import encode_example, measured_by

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# examples that are drawn, rendered and tokenized in both ways
SAMPLED = 300
PART_EXAMPLES = 16384


def draw_experiment(
    experiment: Experiment, tasks: Tasks, tokenizer: "PreTrainedTokenizerBase", work: Path | None, say: Say
) -> DrawnExamples:
    """What `draw_all` gives. Parts are kept in `work`, which the caller removes when all is safe."""
    try:
        plan = planned(experiment, tasks, tokenizer)
    except NotSeparable as reason:
        say(f"examples are tokenized one by one, for the faster way is not known to give the same: {reason}")
        return draw_all(experiment, tasks, measured_by(tokenizer, parse_encoder(experiment.grid_encoder)))
    accepted, too_long = [RECIPE_SCHEMA.empty_table()], [RECIPE_SCHEMA.empty_table()]
    seen, measure, parts = outlines(plan.corpus), measured_with(plan.codes), draw_parts(plan, work, say)
    del plan
    for recipes, ledger in _divided(experiment, parts):
        accepted.append(recipes)
        too_long.append(ledger)
    tables = pa.concat_tables(accepted), pa.concat_tables(too_long)
    train, config = experiment.training_data, experiment.augmentation
    return DrawnExamples(*tables, tasks, seen, train, config, measure, experiment.test_time)


def _divided(experiment: Experiment, parts: Iterable[DrawnPart]) -> Iterator[tuple[pa.Table, pa.Table]]:
    """(recipes, ledger) of each part. A part that cannot be had is an error, but where each task is trained alone."""
    fitting = 0
    for drawn, refused in parts:
        fits = pc.less_equal(drawn["n_tokens"], experiment.max_seq_len)
        if refused and experiment.test_time != "task":
            raise ExamplesTooLong(refused)
        fitting += not refused
        yield (drawn.slice(0, 0) if refused else drawn.filter(fits)), drawn.filter(pc.invert(fits))
    if not fitting:
        raise no_task_fits(experiment)


def planned(experiment: Experiment, tasks: Tasks, tokenizer: "PreTrainedTokenizerBase") -> Plan:
    """All parts, and what is needed to draw them; NotSeparable if examples may have other tokens than one by one."""
    seen = training_tasks(experiment, tasks)
    corpus, config, encoder = corpus_of(seen), drawing_config(experiment), parse_encoder(experiment.grid_encoder)
    parts, train = list(_parts(experiment, corpus)), experiment.training_data
    if not parts:
        raise NotSeparable("there is nothing to draw")
    most = max(most_shown(corpus.pairs(data.dataset), config) for data in train)
    prompts = [(prompt, shown) for prompt in sorted({data.prompt for data in train}) for shown in range(most + 1)]
    codes = GridCodes.of(tokenizer, encoder, corpus.grids.all_shapes(), prompts)
    plan = Plan(parts, corpus, codes, config, experiment.seed, experiment.max_seq_len)
    refuse_differences(plan, seen, encoder, tokenizer)
    return plan


def corpus_of(tasks: Tasks) -> Corpus:
    """The tasks of all datasets as arrays."""
    begins, task_ids = {}, []

    def one_after_another() -> Iterator[Task]:
        for dataset, of_dataset in tasks.items():
            begins[dataset] = (len(task_ids), len(of_dataset))
            for task in of_dataset:
                task_ids.append(task.task_id)
                yield task

    grids = GridArrays.of(one_after_another())
    return Corpus(begins, pa.array(task_ids, pa.string()), grids)


def outlines(corpus: Corpus) -> dict[str, list[Task]]:
    """The tasks with their ids and as many pairs, but no grids: all that checks of targets look at."""

    @cache
    def nothing(n_pairs: int) -> tuple[Pair, ...]:
        return (Pair((), ()),) * n_pairs

    ids, counts = corpus.task_ids.to_pylist(), corpus.grids.pairs.tolist()
    tasks = [Task(task_id, *map(nothing, pairs)) for task_id, pairs in zip(ids, counts, strict=True)]
    return {dataset: tasks[begin : begin + n] for dataset, (begin, n) in corpus.begins.items()}


def _parts(experiment: Experiment, corpus: Corpus) -> Iterator[Part]:
    """Stretches of the examples; for adapters of single tasks, the examples of one task after another."""
    train, config, n_examples = tuple(experiment.training_data), drawing_config(experiment), experiment.n_examples
    usable = {data.dataset: np.flatnonzero(usable_rows(corpus.pairs(data.dataset), config)) for data in train}
    if experiment.test_time != "task":
        for first in range(0, n_examples if any(map(len, usable.values())) else 0, PART_EXAMPLES):
            yield Part(train, corpus.begins, first, min(PART_EXAMPLES, n_examples - first))
        return
    alone = ((data, corpus.begins[data.dataset][0] + int(row)) for data in train for row in usable[data.dataset])
    for number, (data, task) in enumerate(alone):
        yield Part((data,), {data.dataset: (task, 1)}, number * n_examples, n_examples)


def refuse_differences(
    plan: Plan, tasks: Tasks, encoder: GridEncoder, tokenizer: "PreTrainedTokenizerBase", sampled: int = SAMPLED
) -> None:
    """NotSeparable if one of some examples, spread over all, is another recipe or has other tokens than one by one."""
    for part in plan.parts[:: max(1, len(plan.parts) // sampled)]:
        drawer = plan.drawer(part)
        n = max(1, min(part.n_examples, sampled // len(plan.parts)))
        examples = part.first + np.arange(n) * (part.n_examples // n)
        draws = drawer.drawer.draw(examples, np.zeros(n, np.int64))
        for row, example in enumerate(examples):
            recipe = drawer.recipe(draws, row)
            place = int(drawer.task[draws.choice[row]]) - plan.corpus.begins[recipe.dataset][0]
            task = tasks[recipe.dataset][place]
            if recipe != drawer.draw_alone(int(example)):
                raise NotSeparable(f"example {example} is another one; numpy draws in another way")
            if encode_example(tokenizer, recipe.render(task, encoder)).input_ids != drawer.measure.ids(draws, row):
                raise NotSeparable(f"example {example} (task {task.task_id}) has other tokens in parts than as a whole")
