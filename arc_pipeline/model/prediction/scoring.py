"""Log-probabilities of answers under views, by a checkpoint. Knows where a checkpoint has its weights and adapters."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.views import View
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.prediction.likelihood import answer_logprobs
from arc_pipeline.model.weights.checkpoint import task_adapters
from arc_pipeline.model.weights.loading import load_checkpoint
from arc_pipeline.model.weights.tokenization import encode_prompt, encode_texts


def score_views(
    checkpoint: Path, views: Sequence[View], experiment: Experiment
) -> Iterator[tuple[int, list[tuple[float, int]]]]:
    """Yields (index of the view, of each of its answers the log-probability in nats and the number of tokens), each
    once.

    An answer ends with the end token, as in training. Where the checkpoint has adapters of single tasks, each task's
    answers are scored with its own. -inf where prompt and answer do not fit into the model's context.
    """
    adapters = task_adapters(checkpoint)
    by_adapter: dict[Path | None, list[int]] = {}
    for index, view in enumerate(views):
        by_adapter.setdefault(adapters.get((view.dataset, view.task.task_id)), []).append(index)
    for adapter, indices in by_adapter.items():
        model, tokenizer = load_checkpoint(checkpoint, adapter, experiment.precision)
        for index in indices:
            view = views[index]
            ends = [[*ids, tokenizer.eos_token_id] for ids in encode_texts(tokenizer, [*view.answers])]
            try:
                logprobs = answer_logprobs(model, encode_prompt(tokenizer, view.prompt), ends)
            except ArcPipelineError as error:
                place = f"{view.dataset}, task {view.task.task_id}, test pair {view.test_index}, view {view.number}"
                raise ArcPipelineError(f"{place}: {error}") from error
            yield index, [*zip(logprobs, map(len, ends), strict=True)]
