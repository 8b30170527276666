"""Examples that are drawn at once are those drawn one by one, where a check allows it; what is finished is kept."""

import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from arc_pipeline.arc.augmentation.checks import DrawnExamples, only_demonstrations_are_trained_on
from arc_pipeline.arc.augmentation.test_time import draw_all
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.examples import drawing, processes
from arc_pipeline.model.examples.drawing import draw_experiment, planned
from arc_pipeline.model.examples.grid_codes import NotSeparable
from arc_pipeline.model.weights.tokenization import encode_example, measured_by, tiny_tokenizer
from arc_pipeline.project import Project

ENCODERS = (
    "MinimalGridEncoder()",
    "GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))",
    "GridCodeBlockEncoder(GridWithSeparationEncoder(' '))",
    "RowNumberEncoder(GridWithSeparationEncoder('|'))",
)
TEMPLATE = "{% for m in messages %}<|{{ m.role }}|> on 26 Jul\n{{ m.content }}{{ eos_token }}{% endfor %}"
TEMPLATE += "{% if add_generation_prompt %}<|assistant|> on 26 Jul\n{% endif %}"


def experiment(**changes: Any) -> Experiment:
    fields: dict[str, Any] = {"name": "x", "train": [{"dataset": "arc"}], "max_steps": 10, "batch_size": 4}
    fields |= {"predict": {"datasets": ["arc"]}, "max_seq_len": 1500}
    return Experiment.model_validate(fields | changes)


def trained_bpe(chat: bool = False, digits_apart: bool = True) -> PreTrainedTokenizerFast:
    """Merges across line breaks and letters, as those of large models do."""
    tokenizer = Tokenizer(models.BPE())
    apart = [pre_tokenizers.Digits(individual_digits=True)] if digits_apart else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*apart, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=340, special_tokens=["<|end|>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(["Input:\n```grid shape: 12x10\n1 012\n```\n\nOutput:\n"] * 20, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    fast.chat_template = TEMPLATE if chat else None
    return fast


TOKENIZERS = {"tiny": tiny_tokenizer(), "bpe": trained_bpe(), "chat": trained_bpe(chat=True)}


@functools.cache
def some_tasks() -> dict[str, list[Task]]:
    """Some real tasks, and some that were generated without test pairs."""
    tasks = Project.current().datasets().load("arc-agi-1-training")[:60]
    return {"arc": tasks[:40], "generated": [Task(task.task_id, task.pairs, ()) for task in tasks[40:]]}


@pytest.fixture(scope="module")
def arc() -> dict[str, list[Task]]:
    return some_tasks()


def one_by_one(of: Experiment, tasks: dict[str, list[Task]], tokenizer: Any) -> DrawnExamples:
    return draw_all(of, tasks, measured_by(tokenizer, parse_encoder(of.grid_encoder)))


def refuse(words: str) -> None:
    raise AssertionError(words)


@settings(max_examples=25)
@given(st.data())
def test_recipes_ledgers_and_hashes_are_equal(data: st.DataObject) -> None:
    weight = data.draw(st.sampled_from([None, 2.0]), "weight")
    train = [
        {"dataset": "arc", "weight": weight},
        {"dataset": "generated", "prompt": "input-from-inputs-v0", "weight": weight},
    ]
    of = experiment(
        train=train[: data.draw(st.integers(1, 2), "sources")],
        grid_encoder=data.draw(st.sampled_from(ENCODERS), "encoder"),
        seed=data.draw(st.integers(0, 2**31), "seed"),
        supervise=data.draw(st.sampled_from(["answer", "all-outputs"]), "supervise"),
        augmentation={
            "target": data.draw(st.sampled_from(["any", "legacy-swap", "test-only"]), "target"),
            "max_demonstrations": data.draw(st.sampled_from([None, 1, 2]), "max_demonstrations"),
            "geometric": data.draw(st.booleans(), "geometric"),
            "colours": data.draw(st.booleans(), "colours"),
            "demonstration_order": data.draw(st.booleans(), "demonstration_order"),
        },
    )
    tasks = {name: some_tasks()[name] for name in of.datasets()["train"]}
    tokenizer = TOKENIZERS[data.draw(st.sampled_from(sorted(TOKENIZERS)), "tokenizer")]
    ours, plain = draw_experiment(of, tasks, tokenizer, None, refuse), one_by_one(of, tasks, tokenizer)
    assert ours.recipes.equals(plain.recipes)
    assert ours.ledger.equals(plain.ledger)


@pytest.mark.parametrize("scope", ["dataset", "task"])
@pytest.mark.parametrize("longest", [700, 4096])
def test_so_they_are_at_test_time(arc: dict[str, list[Task]], scope: str, longest: int) -> None:
    of = experiment(
        test_time=scope, initial_checkpoint="base", tuning={"method": "lora"}, max_seq_len=longest, train=[]
    )
    tasks = {"arc": arc["arc"][:5]}
    ours, plain = (draw(of, tasks) for draw in (by_arrays, by_plain))
    assert ours.recipes.equals(plain.recipes)
    assert ours.ledger.equals(plain.ledger)
    assert only_demonstrations_are_trained_on(ours) == only_demonstrations_are_trained_on(plain)
    assert only_demonstrations_are_trained_on(ours).passed


def by_arrays(of: Experiment, tasks: dict[str, list[Task]]) -> DrawnExamples:
    return draw_experiment(of, tasks, tiny_tokenizer(), None, refuse)


def by_plain(of: Experiment, tasks: dict[str, list[Task]]) -> DrawnExamples:
    return one_by_one(of, tasks, tiny_tokenizer())


def test_ids_are_equal_token_by_token(arc: dict[str, list[Task]]) -> None:
    of, tokenizer = experiment(grid_encoder=ENCODERS[1]), TOKENIZERS["chat"]
    plan = planned(of, {"arc": arc["arc"]}, tokenizer)
    drawer, encoder = plan.drawer(plan.parts[0]), parse_encoder(of.grid_encoder)
    draws = drawer.drawer.draw(np.arange(30), np.zeros(30, np.int64))
    for row in range(30):
        task = arc["arc"][drawer.task[draws.choice[row]]]
        prompt = drawer.recipe(draws, row).render(task, encoder)
        assert drawer.measure.ids(draws, row) == encode_example(tokenizer, prompt).input_ids


# --- where it does not hold


def test_tokens_with_several_digits_are_tokenized_one_by_one(arc: dict[str, list[Task]]) -> None:
    of, tasks, said = experiment(), {"arc": arc["arc"]}, []
    tokenizer = trained_bpe(digits_apart=False)
    drawn = draw_experiment(of, tasks, tokenizer, None, said.append)
    assert "holds a digit beside others" in said[0]
    assert drawn.recipes.equals(one_by_one(of, tasks, tokenizer).recipes)


def test_other_tokens_of_a_sample_are_found(arc: dict[str, list[Task]], monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = tiny_tokenizer()

    def other(*args: Any) -> Any:
        example = encode_example(*args)
        return type(example)([*example.input_ids, 0], [*example.supervised, True])

    monkeypatch.setattr(drawing, "encode_example", other)
    with pytest.raises(NotSeparable, match="has other tokens in parts than as a whole"):
        planned(experiment(), {"arc": arc["arc"]}, tokenizer)


def test_errors_are_those_of_the_plain_way(arc: dict[str, list[Task]]) -> None:
    tasks, words = {"arc": arc["arc"]}, []
    for draw in (by_arrays, by_plain):
        with pytest.raises(ArcPipelineError, match="200 draws in a row were longer than max_seq_len 16") as caught:
            draw(experiment(max_seq_len=16), tasks)
        words.append(str(caught.value))
    assert words[0] == words[1]
    lone = {"arc": [Task("lone", arc["arc"][0].train[:1], ())]}
    with pytest.raises(ArcPipelineError, match="no task of arc has the pairs"):
        draw_experiment(experiment(), lone, tiny_tokenizer(), None, [].append)


# --- in parts


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.setattr(drawing, "PART_EXAMPLES", 64)
    return experiment(max_steps=80)


def drawn_in(work: Path, of: Experiment, arc: dict[str, list[Task]]) -> tuple[pa.Table, list[str]]:
    said: list[str] = []
    return draw_experiment(of, {"arc": arc["arc"]}, tiny_tokenizer(), work, said.append).draws, said


def test_parts_by_several_processes_give_the_same(many: Experiment, arc: dict[str, list[Task]], tmp_path: Path) -> None:
    drawn, said = drawn_in(tmp_path / "work", many, arc)
    assert drawn.equals(by_plain(many, {"arc": arc["arc"]}).draws)
    assert said == []
    parts = sorted((tmp_path / "work").glob("part-*.parquet"))
    assert len(parts) == 5
    # what a killed run had finished, and a damaged part
    before = {path.name: path.stat().st_mtime_ns for path in parts}
    parts[0].unlink()
    parts[1].write_bytes(parts[1].read_bytes()[:-9] + b"?" + parts[1].read_bytes()[-8:])
    again, said = drawn_in(tmp_path / "work", many, arc)
    assert again.equals(drawn)
    assert said == ["3 of 5 parts of the examples are there from a run that ended early"]
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "work").glob("part-*.parquet")}
    assert after.keys() == before.keys()
    assert [name for name in sorted(after) if after[name] == before[name]] == sorted(before)[2:]


def test_a_process_that_ends_early_is_an_error(
    many: Experiment, arc: dict[str, list[Task]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes.sys, "executable", "/bin/false")
    with pytest.raises(ArcPipelineError, match="a process that draws examples ended early"):
        drawn_in(tmp_path / "work", many, arc)


PROGRAM = """
import json, sys
from pathlib import Path
from arc_pipeline.model.examples import drawing
from arc_pipeline.model.weights.tokenization import tiny_tokenizer
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.project import Project
drawing.PART_EXAMPLES = 256
if __name__ == "__main__":
    of = Experiment.model_validate_json(sys.argv[1])
    tasks = {"arc-agi-1-training": Project.current().datasets().load("arc-agi-1-training")}
    drawing.draw_experiment(of, tasks, tiny_tokenizer(), Path(sys.argv[2]), print)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends processes with their parent on Linux")
def test_a_killed_run_leaves_whole_parts_and_no_process(tmp_path: Path, eventually: Any) -> None:
    fields = {"name": "x", "train": [{"dataset": "arc-agi-1-training"}], "max_steps": 100_000, "batch_size": 16}
    work = tmp_path / "work"
    program = [sys.executable, "-c", PROGRAM, json.dumps(fields | {"predict": {"datasets": ["arc-agi-1-training"]}})]
    run = subprocess.Popen([*program, str(work)])
    try:
        eventually(lambda: len(list(work.glob("part-*.parquet"))) > 3 or run.poll() is not None)
        assert run.poll() is None
        workers = [int(pid) for pid in Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()]
        assert workers
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    eventually(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers))
    there = sorted(work.glob("part-*.parquet"))
    assert len(processes._finished(work)) == len(there) > 3
