"""The benchmark compares completions before it counts seconds; a difference that is no tie of logits is an error."""

from dataclasses import replace

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.bench import prediction
from arc_pipeline.bench.prediction import WORDS, PredictionCase, compare_engines, mixed
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.prediction import constraints
from arc_pipeline.model.weights.tokenization import tiny_tokenizer

PAIRS = (Pair(((1, 2),), ((2, 1),)), Pair(((3, 4),), ((4, 3),)))
SIZE = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> PredictionCase:
    """A random model that can only say small grids."""
    true_grammar = constraints.Grammar
    shapes = [(1, 1), (1, 2), (2, 2)]
    monkeypatch.setattr(constraints, "Grammar", lambda *args: true_grammar(*args, shapes))
    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(tokenizer), num_key_value_heads=2, **SIZE)).eval()
    fields = {"name": "x", "train": [{"dataset": "d"}], "max_steps": 1}
    experiment = Experiment.model_validate(fields | {"predict": {"datasets": ["d"], "predictions": 2}})
    return PredictionCase("small", model, tokenizer, experiment, {"d": [Task("t", PAIRS, PAIRS[:1])]})


def test_every_part_is_compared_and_timed(case: PredictionCase) -> None:
    rows = compare_engines([case])
    assert list(rows[0]) == ["name", "ours", "reference", "ratio", "unit", "check"]
    assert len(rows) == 1 + len(WORDS)
    assert all("10 of 10 completions equal" in row["check"] for row in rows)
    assert rows[0]["ratio"] == pytest.approx(rows[0]["reference"] / rows[0]["ours"])


def test_completions_that_differ_are_an_error_unless_it_was_a_tie(
    case: PredictionCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    completed = case.ways()["ours"]()
    text = completed[0].text
    other = text[:-5] + str(9 - int(text[-5])) + text[-4:]
    changed = completed | {0: replace(completed[0], text=other)}
    with pytest.raises(ArcPipelineError, match="small: completions differ where the logits do"):
        case.check(changed, completed)
    monkeypatch.setattr(prediction, "TIE", 1e6)
    assert "9 of 10 completions equal, 1 differ after a tie" in case.check(changed, completed)


def test_mixed_tasks_are_spread_over_the_sizes() -> None:
    tasks = [Task(str(n), (Pair(((0,) * n,), ((0,),)),), (Pair(((0,),), ((0,),)),)) for n in range(1, 31)]
    assert [task.task_id for task in mixed(tasks, 3, 10_000)] == ["6", "16", "26"]
