"""Scores by a checkpoint equal teacher forcing with plain transformers on the ids that training has."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.views import View, views
from arc_pipeline.arc.rendering.prompt import Prompt
from arc_pipeline.arc.tasks.task import Grid, Pair, Task
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.prediction.scoring import score_views
from arc_pipeline.model.weights.checkpoint import save_checkpoint
from arc_pipeline.model.weights.loading import load_model
from arc_pipeline.model.weights.tokenization import encode_example, load_tokenizer, saved_tokenizer

TASK = Task("a", (Pair(((1, 0), (2, 2)), ((0, 1), (2, 2))), Pair(((3, 0, 4),), ((4, 0, 3),))), (Pair(((7, 8),), ()),))
CANDIDATES: list[Grid] = [((8, 7),), ((7, 8),), ((0, 1, 5), (2, 3, 5))]


def an_experiment(n_views: int = 8) -> Experiment:
    fields = {"name": "x", "train": [{"dataset": "d"}], "max_steps": 1}
    return Experiment.model_validate(fields | {"predict": {"datasets": ["d"], "score_views": n_views}})


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("checkpoint")
    tokenizer = load_tokenizer("tiny")
    model = load_model("tiny", 7, len(tokenizer))
    model.get_output_embeddings().weight.data *= 3
    save_checkpoint(model, tokenizer, directory)
    return directory


def teacher_forced(checkpoint: Path, view: View, answer: str) -> tuple[float, int]:
    example = encode_example(saved_tokenizer(checkpoint), Prompt(view.prompt, answer))
    model = AutoModelForCausalLM.from_pretrained(str(checkpoint), dtype=torch.float32).eval()
    n_answer = sum(example.supervised)
    with torch.inference_mode():
        logprobs = model(torch.tensor([example.input_ids])).logits[0].double().log_softmax(-1)
    begin = len(example.input_ids) - n_answer
    total = sum(float(logprobs[place - 1, example.input_ids[place]]) for place in range(begin, len(example.input_ids)))
    return total, n_answer


def test_equal_to_teacher_forcing_on_the_ids_of_training(checkpoint: Path) -> None:
    experiment = an_experiment()
    asked = list(views(experiment, {"d": [TASK]}, {("d", "a", 0): CANDIDATES}))
    scored = dict(score_views(checkpoint, asked, experiment))
    assert sorted(scored) == [*range(8)]
    for index, view in enumerate(asked):
        for answer, (logprob, n_tokens) in zip(view.answers, scored[index], strict=True):
            expected, n_expected = teacher_forced(checkpoint, view, answer)
            assert logprob == pytest.approx(expected, abs=1e-4)
            assert n_tokens == n_expected


def test_the_company_of_an_answer_does_not_matter(checkpoint: Path) -> None:
    experiment = an_experiment(2)
    together = dict(
        score_views(checkpoint, list(views(experiment, {"d": [TASK]}, {("d", "a", 0): CANDIDATES})), experiment)
    )
    for place, grid in enumerate(CANDIDATES):
        alone = dict(
            score_views(checkpoint, list(views(experiment, {"d": [TASK]}, {("d", "a", 0): [grid]})), experiment)
        )
        for index in alone:
            assert alone[index][0][0] == pytest.approx(together[index][place][0], abs=1e-4)


def test_weights_that_are_not_numbers_name_the_test_pair(tmp_path: Path) -> None:
    tokenizer = load_tokenizer("tiny")
    model = load_model("tiny", 7, len(tokenizer))
    model.get_output_embeddings().weight.data[3] = torch.nan
    save_checkpoint(model, tokenizer, tmp_path)
    asked = list(views(an_experiment(1), {"d": [TASK]}, {("d", "a", 0): CANDIDATES}))
    with pytest.raises(ArcPipelineError, match=r"d, task a, test pair 0, view 0: .*not finite"):
        list(score_views(tmp_path, asked, an_experiment(1)))
