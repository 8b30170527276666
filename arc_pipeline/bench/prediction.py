"""`bench prediction`: the engine against `generate`, one run for each temperature, interleaved on real tasks.

Answers are compared before they count: where two ways differ, the choice must have been a tie.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.drafts import CandidateDrafts
from arc_pipeline.arc.prediction.encoder import GridEncoder, parse_encoder
from arc_pipeline.arc.prediction.questions import TEMPERATURES, Completion, Question, questions
from arc_pipeline.arc.prediction.vocabulary import task_length
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.bench.training import row
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.prediction.complete import Ask, Options, Parts, complete
from arc_pipeline.model.prediction.requests import answer_limit

REFERENCE_BATCH, ROWS = 32, 160
TIE = 1e-4
GOAL = 2.0
WORDS = {
    "shared_prefill": "each temperature has its own prefill",
    "forced_tokens": "determined tokens are decoded",
    "drafts": "no drafts",
    "preallocated": "keys and values are copied in every pass",
}
RANDOM = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 8, "num_attention_heads": 8}
RANDOM |= {"num_key_value_heads": 8, "max_position_embeddings": 8192}
Report = Callable[[str], None]
Answers = dict[int, Completion]


@dataclass(frozen=True)
class Timed:
    """Answers with the seconds that they took: of the clock, and of the processor."""

    answers: Answers
    wall: float
    processor: float


class Case:
    """One model, the candidates that it is asked for, and both ways to get them."""

    def __init__(
        self, name: str, model: Any, tokenizer: Any, experiment: Experiment, tasks: Mapping[str, Sequence[Task]]
    ) -> None:
        self.name, self.model, self.tokenizer = name, model, tokenizer
        self._encoder: GridEncoder = parse_encoder(experiment.grid_encoder)
        asked = [(question, each) for question in questions(experiment, tasks) for each in TEMPERATURES]
        self._questions: list[Question] = [question for question, _ in asked]
        self.asks = [Ask(question.prompt(self._encoder), question.seed, each) for question, each in asked]
        self._limit = answer_limit(tokenizer, self._encoder, constrain=True)

    def ways(self) -> dict[str, Callable[[], Answers]]:
        """Ours, the reference, and ours without each of its parts."""
        parts = {each.name: Parts(**{each.name: False}) for each in fields(Parts)}
        ours = {name: Options(ROWS, parts=each) for name, each in {"ours": Parts(), **parts}.items()}
        found = {name: lambda options=options: self._answers(self.asks, options) for name, options in ours.items()}
        return {"reference": self._by_temperature, **found}

    def _answers(self, asks: Sequence[Ask], options: Options) -> Answers:
        drafts = CandidateDrafts(self._questions, self._encoder)
        return dict(complete(self.model, self.tokenizer, asks, self._limit, options, drafts))

    def _by_temperature(self) -> Answers:
        found: Answers = {}
        for temperature in TEMPERATURES:
            where = [index for index, ask in enumerate(self.asks) if ask.temperature == temperature]
            options = Options(REFERENCE_BATCH, "transformers")
            answers = self._answers([self.asks[index] for index in where], options)
            found |= {where[index]: each for index, each in answers.items()}
        return found

    def check(self, ours: Answers, reference: Answers) -> str:
        """How many answers are equal; ArcPipelineError where a difference was no tie."""
        differing = [index for index in reference if ours[index].text != reference[index].text]
        gaps = [self._gap(index, ours[index], reference[index]) for index in differing]
        if gaps and max(gaps) >= TIE:
            raise ArcPipelineError(f"bench prediction, {self.name}: answers differ where the logits do, by {max(gaps)}")
        ties = f", {len(gaps)} differ after a tie of logits (gap {max(gaps):.0e} at most)" if gaps else ""
        return f"{len(reference) - len(gaps)} of {len(reference)} answers equal{ties}"

    def _gap(self, index: int, first: Completion, second: Completion) -> float:
        """How far apart the two tokens were where two answers to one ask begin to differ."""
        import torch

        from arc_pipeline.model.prediction.sampling import gumbel
        from arc_pipeline.model.weights.tokenization import encode_prompt, encode_text

        ask, end = self.asks[index], self.tokenizer.eos_token_id
        ids = [[*encode_text(self.tokenizer, each.text), end] for each in (first, second)]
        place = next(k for k, pair in enumerate(zip(*ids, strict=False)) if pair[0] != pair[1])
        prompt = encode_prompt(self.tokenizer, ask.text)
        with torch.inference_mode():
            logits = self.model(torch.tensor([prompt + ids[0][:place]], device=self.model.device)).logits[0, -1]
        both = torch.tensor([each[place] for each in ids])
        scores = logits.cpu()[both].float()
        if ask.temperature:
            noise = gumbel(torch.tensor([ask.seed]), torch.tensor([place]), both)[0]
            scores = scores + noise * ask.temperature
        return float((scores[0] - scores[1]).abs())


def compare(cases: Sequence[Case], rounds: int = 1, report: Report = lambda text: None) -> list[dict[str, Any]]:
    """The rows of the benchmark: all answers of each case, and what each part is worth."""
    return [line for case in cases for line in _rows(case, rounds, report)]


def _rows(case: Case, rounds: int, report: Report) -> list[dict[str, Any]]:
    found: dict[str, list[Timed]] = {name: [] for name in case.ways()}
    for number in range(rounds):
        for name, way in case.ways().items():
            found[name].append(timed(way))
            report(f"{case.name}, round {number + 1} of {rounds}, {name}: {found[name][-1].wall:.1f} s")
    answers = {name: each[0].answers for name, each in found.items()}
    checks = {name: case.check(each, answers["reference"]) for name, each in answers.items()}
    n_tokens = sum(each.n_tokens for each in answers["ours"].values())
    title = f"{case.name}: {len(case.asks)} answers, {n_tokens} tokens"
    lines = [_line(f"{title}, against generate", found["ours"], found["reference"], checks["ours"])]
    for part, words in WORDS.items():
        lines.append(_line(f"{case.name}: against ours, but {words}", found["ours"], found[part], checks[part]))
    return lines


def _line(name: str, ours: Sequence[Timed], others: Sequence[Timed], check: str) -> dict[str, Any]:
    mine, theirs = (statistics.median(each.wall for each in both) for both in (ours, others))
    ratio = statistics.median(b.wall / a.wall for a, b in zip(ours, others, strict=True))
    busy = statistics.median(b.processor / a.processor for a, b in zip(ours, others, strict=True))
    return row(name, mine, theirs, ratio, "s", f"{check}; ratio of processor time {busy:.2f}")


def timed(way: Callable[[], Answers]) -> Timed:
    """Runs it once."""
    begin, busy = time.perf_counter(), time.process_time()
    answers = way()
    return Timed(answers, time.perf_counter() - begin, time.process_time() - busy)


def trained_case(experiment: Experiment, checkpoint: Path, tasks: Mapping[str, Sequence[Task]]) -> Case:
    """An experiment's checkpoint, asked what the experiment asks it: drafts are often right."""
    from arc_pipeline.model.weights.checkpoint import task_adapters
    from arc_pipeline.model.weights.loading import load_checkpoint

    if task_adapters(checkpoint):
        raise ArcPipelineError(f"{experiment.name} has an adapter for each task; measure one that has one model")
    return Case(f"trained ({experiment.name})", *load_checkpoint(checkpoint), experiment, tasks)


def random_case(dataset: str, tasks: Sequence[Task], n_tasks: int, longest: int, predictions: int) -> Case:
    """A model of 25 M random parameters on tasks of mixed sizes: no draft is right, all grids have random sizes."""
    import torch

    from arc_pipeline.model.weights.loading import random_model
    from arc_pipeline.model.weights.tokenization import tiny_tokenizer

    tokenizer = tiny_tokenizer()
    model: Any = random_model(RANDOM, len(tokenizer), seed=0).eval()
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    fields = {"name": "bench", "train": [{"dataset": dataset}], "max_steps": 1}
    fields |= {"predict": {"datasets": [dataset], "predictions": predictions}}
    experiment = Experiment.model_validate(fields)
    return Case("random, 25 M parameters", model, tokenizer, experiment, {dataset: mixed(tasks, n_tasks, longest)})


def mixed(tasks: Sequence[Task], n_tasks: int, longest: int) -> list[Task]:
    """Tasks at even distances among those that are not too long, by length."""
    ordered = sorted((task for task in tasks if task_length(task) <= longest), key=task_length)
    if not ordered:
        raise ArcPipelineError(f"no task has {longest} tokens or fewer: use a larger --longest")
    return [ordered[(2 * number + 1) * len(ordered) // (2 * n_tasks)] for number in range(n_tasks)]


def voting_row(rows: int = 400, predictions: int = 32, seed: int = 0) -> dict[str, Any]:
    """Seconds for the votes and metrics of 400 test pairs x 32 candidates x 5 temperatures, against the goal."""
    from arc_pipeline.arc.evaluation.metric_tables import aggregate, per_pair, per_task
    from arc_pipeline.arc.evaluation.voting import attempts_table
    from arc_pipeline.bench.candidates import synthetic

    tasks, table = synthetic(rows, predictions, seed)
    begin, busy = time.perf_counter(), time.process_time()
    for _ in TEMPERATURES:
        pairs = per_pair(table, attempts_table(table), {"synthetic": tasks}, predictions)
        aggregate(per_task(pairs), pairs)
    seconds, busy = time.perf_counter() - begin, time.process_time() - busy
    name = f"votes and metrics of {rows} x {predictions} x {len(TEMPERATURES)} candidates, against the goal"
    check = f"synthetic candidates of real sizes, a fifth of them right; {busy:.2f} s of processor time"
    return row(name, seconds, GOAL, GOAL / seconds, "s", check)
