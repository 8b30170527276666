"""`bench prediction`: the engine against `generate`, one run for each temperature, interleaved on real tasks.

Completions are compared before they count: where two ways differ, the choice must have been a tie.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.completions import Completion
from arc_pipeline.arc.prediction.drafts import CandidateDrafts
from arc_pipeline.arc.prediction.requests import TEMPERATURES, CandidateRequest, candidate_requests
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.rendering.vocabulary import task_length
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.bench.timing import Report, row
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.devices import use_flash_attention
from arc_pipeline.model.prediction.complete import complete
from arc_pipeline.model.prediction.constraints import completion_limit
from arc_pipeline.model.prediction.interface import CompletionOptions, EngineParts

REFERENCE_BATCH, ROWS = 32, 160
TIE = 1e-4
WORDS = {
    "shared_prefill": "each temperature has its own prefill",
    "forced_tokens": "determined tokens are decoded",
    "drafts": "no drafts",
    "preallocated": "keys and values are copied in every pass",
}
RANDOM = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 8, "num_attention_heads": 8}
RANDOM |= {"num_key_value_heads": 8, "max_position_embeddings": 8192}
Completed = dict[int, Completion]


@dataclass(frozen=True)
class Timed:
    """Completions with the seconds that they took: of the clock, and of the processor."""

    completed: Completed
    wall: float
    processor: float


class PredictionCase:
    """One model, the candidates that it is to predict, and both ways to get them."""

    def __init__(
        self, name: str, model: Any, tokenizer: Any, experiment: Experiment, tasks: Mapping[str, Sequence[Task]]
    ) -> None:
        self.name, self.model, self.tokenizer = name, model, tokenizer
        self._encoder = parse_encoder(experiment.grid_encoder)
        requests = candidate_requests(experiment, tasks)
        self.requests = [replace(request, temperature=value) for request in requests for value in TEMPERATURES]
        self._limit = completion_limit(tokenizer, self._encoder, constrain=True)

    def ways(self) -> dict[str, Callable[[], Completed]]:
        """Ours, the reference, and ours without each of its parts."""
        parts = {part.name: EngineParts(**{part.name: False}) for part in fields(EngineParts)}
        ours = {name: CompletionOptions(ROWS, parts=part) for name, part in {"ours": EngineParts(), **parts}.items()}
        ways = {name: lambda options=options: self._complete(self.requests, options) for name, options in ours.items()}
        return {"reference": self._by_temperature, **ways}

    def _complete(self, requests: Sequence[CandidateRequest], options: CompletionOptions) -> Completed:
        drafts = CandidateDrafts(requests, self._encoder)
        return dict(complete(self.model, self.tokenizer, requests, self._limit, options, drafts))

    def _by_temperature(self) -> Completed:
        completed: Completed = {}
        options = CompletionOptions(REFERENCE_BATCH, "transformers")
        for temperature in TEMPERATURES:
            where = [index for index, request in enumerate(self.requests) if request.temperature == temperature]
            part = self._complete([self.requests[index] for index in where], options)
            completed |= {where[place]: completion for place, completion in part.items()}
        return completed

    def check(self, ours: Completed, reference: Completed) -> str:
        """How many completions are equal; ArcPipelineError where a difference was no tie."""
        differing = [index for index in reference if ours[index].text != reference[index].text]
        gaps = [self._gap(index, ours[index], reference[index]) for index in differing]
        if gaps and max(gaps) >= TIE:
            raise ArcPipelineError(
                f"bench prediction, {self.name}: completions differ where the logits do, by {max(gaps)}"
            )
        ties = f", {len(gaps)} differ after a tie of logits (gap {max(gaps):.0e} at most)" if gaps else ""
        return f"{len(reference) - len(gaps)} of {len(reference)} completions equal{ties}"

    def _gap(self, index: int, first: Completion, second: Completion) -> float:
        """How far apart the two tokens were where two completions of one request begin to differ."""
        import torch

        from arc_pipeline.model.prediction.sampling import gumbel
        from arc_pipeline.model.weights.tokenization import encode_prompt, encode_text

        request, end = self.requests[index], self.tokenizer.eos_token_id
        ids = [[*encode_text(self.tokenizer, completion.text), end] for completion in (first, second)]
        place = next(k for k, pair in enumerate(zip(*ids, strict=False)) if pair[0] != pair[1])
        prompt = encode_prompt(self.tokenizer, request.prompt)
        with torch.inference_mode():
            logits = self.model(torch.tensor([prompt + ids[0][:place]], device=self.model.device)).logits[0, -1]
        both = torch.tensor([tokens[place] for tokens in ids])
        scores = logits.cpu()[both].float()
        if request.temperature:
            noise = gumbel(torch.tensor([request.seed]), torch.tensor([place]), both)[0]
            scores = scores + noise * request.temperature
        return float((scores[0] - scores[1]).abs())


def compare_engines(
    cases: Sequence[PredictionCase], rounds: int = 1, report: Report = lambda text: None
) -> list[dict[str, Any]]:
    """The rows of the benchmark: all completions of each case, and what each part is worth."""
    use_flash_attention()
    return [line for case in cases for line in _rows(case, rounds, report)]


def _rows(case: PredictionCase, rounds: int, report: Report) -> list[dict[str, Any]]:
    timings: dict[str, list[Timed]] = {name: [] for name in case.ways()}
    for number in range(rounds):
        for name, way in case.ways().items():
            timings[name].append(timed(way))
            report(f"{case.name}, round {number + 1} of {rounds}, {name}: {timings[name][-1].wall:.1f} s")
    completed = {name: runs[0].completed for name, runs in timings.items()}
    checks = {name: case.check(completions, completed["reference"]) for name, completions in completed.items()}
    n_tokens = sum(completion.n_tokens for completion in completed["ours"].values())
    title = f"{case.name}: {len(case.requests)} completions, {n_tokens} tokens"
    lines = [_line(f"{title}, against generate", timings["ours"], timings["reference"], checks["ours"])]
    for part, words in WORDS.items():
        lines.append(_line(f"{case.name}: against ours, but {words}", timings["ours"], timings[part], checks[part]))
    return lines


def _line(name: str, ours: Sequence[Timed], others: Sequence[Timed], check: str) -> dict[str, Any]:
    mine, theirs = (statistics.median(run.wall for run in runs) for runs in (ours, others))
    ratio = statistics.median(b.wall / a.wall for a, b in zip(ours, others, strict=True))
    busy = statistics.median(b.processor / a.processor for a, b in zip(ours, others, strict=True))
    return row(name, mine, theirs, ratio, "s", f"{check}; ratio of processor time {busy:.2f}")


def timed(way: Callable[[], Completed]) -> Timed:
    """Runs it once."""
    begin, busy = time.perf_counter(), time.process_time()
    completed = way()
    return Timed(completed, time.perf_counter() - begin, time.process_time() - busy)


def trained_case(experiment: Experiment, checkpoint: Path, tasks: Mapping[str, Sequence[Task]]) -> PredictionCase:
    """An experiment's checkpoint in float32, so that equal means equal, and its own prompts: drafts are often right."""
    from arc_pipeline.model.weights.checkpoint import task_adapters
    from arc_pipeline.model.weights.loading import load_checkpoint

    if task_adapters(checkpoint):
        raise ArcPipelineError(f"{experiment.name} has an adapter for each task; measure one that has one model")
    model, tokenizer = load_checkpoint(checkpoint, precision="fp32")
    return PredictionCase(f"trained ({experiment.name})", model, tokenizer, experiment, tasks)


def random_case(dataset: str, tasks: Sequence[Task], n_tasks: int, longest: int, predictions: int) -> PredictionCase:
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
    tasks_of = {dataset: mixed(tasks, n_tasks, longest)}
    return PredictionCase("random, 25 M parameters", model, tokenizer, experiment, tasks_of)


def mixed(tasks: Sequence[Task], n_tasks: int, longest: int) -> list[Task]:
    """Tasks at even distances among those that are not too long, by length."""
    ordered = sorted((task for task in tasks if task_length(task) <= longest), key=task_length)
    if not ordered:
        raise ArcPipelineError(f"no task has {longest} tokens or fewer: use a larger --longest")
    return [ordered[(2 * number + 1) * len(ordered) // (2 * n_tasks)] for number in range(n_tasks)]
