"""Fine-tuning on a table of recipes with transformers' Trainer. Knows nothing of Dagster or of where tables live."""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from torch.utils.data import Dataset, SequentialSampler
from transformers import PreTrainedTokenizerBase, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from arc_pipeline.arc.encoder import parse_encoder
from arc_pipeline.arc.errors import ArcPipelineError
from arc_pipeline.arc.examples import Recipe
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.task import Task
from arc_pipeline.model.tokenization import encode_example, token_hash

IGNORED = -100
Progress = Callable[[dict[str, Any]], None]


class ExampleDataset(Dataset[dict[str, list[int]]]):
    """Example i of the training, rendered and tokenized when it is asked for, and compared with its hash."""

    def __init__(
        self,
        recipes: pa.Table,
        tasks: Mapping[str, Sequence[Task]],
        experiment: Experiment,
        tokenizer: PreTrainedTokenizerBase,
    ) -> None:
        self._recipes, self._tokenizer, self._supervise = recipes, tokenizer, experiment.supervise
        self._tasks = {(name, task.task_id): task for name, each in tasks.items() for task in each}
        self._encoder = parse_encoder(experiment.grid_encoder)

    def __len__(self) -> int:
        return self._recipes.num_rows

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        row = self._recipes.slice(index, 1).to_pylist()[0]
        recipe = Recipe.from_row(row)
        prompt = recipe.render(self._tasks[recipe.dataset, recipe.task_id], self._encoder)
        example = encode_example(self._tokenizer, prompt, self._supervise)
        if token_hash(example.input_ids) != row["token_hash"]:
            raise ArcPipelineError(
                f"example {index} (task {recipe.task_id}) renders to other tokens than those that were checked; "
                "materialize augmented_examples again"
            )
        labels = [token if keep else IGNORED for token, keep in zip(example.input_ids, example.supervised, strict=True)]
        return {"input_ids": example.input_ids, "labels": labels}


@dataclass(frozen=True)
class Padding:
    """Collates examples into tensors of shape (batch, longest)."""

    pad_token_id: int

    def __call__(self, examples: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        longest = max(len(example["input_ids"]) for example in examples)
        return {
            "input_ids": self._padded(examples, "input_ids", self.pad_token_id, longest),
            "labels": self._padded(examples, "labels", IGNORED, longest),
            "attention_mask": torch.tensor(
                [[1] * len(e["input_ids"]) + [0] * (longest - len(e["input_ids"])) for e in examples]
            ),
        }

    @staticmethod
    def _padded(examples: list[dict[str, list[int]]], key: str, filler: int, longest: int) -> torch.Tensor:
        return torch.tensor([example[key] + [filler] * (longest - len(example[key])) for example in examples])


class InOrderTrainer(Trainer):
    """Takes the examples in the order of the table: their order is part of what was checked."""

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)


class ProgressCallback(TrainerCallback):
    """Turns the trainer's log into rows {step, loss, learning_rate, grad_norm, ...} for a person and for the table."""

    def __init__(self, report: Progress) -> None:
        self._report, self.rows = report, []

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._started, self._first_step = time.monotonic(), state.global_step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_log |= state.global_step == state.max_steps

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if not state.is_world_process_zero or not logs or "loss" not in logs:
            return
        elapsed = time.monotonic() - self._started
        done = state.global_step - self._first_step
        row = {"step": state.global_step, "max_steps": state.max_steps, "seconds": elapsed}
        row |= {key: logs[key] for key in ("loss", "learning_rate", "grad_norm") if key in logs}
        row["seconds_left"] = elapsed / max(done, 1) * (state.max_steps - state.global_step)
        self.rows.append(row)
        self._report(row)


def training_arguments(experiment: Experiment, work: Path) -> TrainingArguments:
    """The experiment in the trainer's words."""
    per_process = experiment.batch_size // experiment.processes
    micro = experiment.micro_batch_size or per_process
    return TrainingArguments(
        output_dir=str(work),
        max_steps=experiment.max_steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=per_process // micro,
        learning_rate=experiment.learning_rate,
        warmup_steps=math.ceil(experiment.warmup_ratio * experiment.max_steps),
        lr_scheduler_type=experiment.lr_scheduler,
        weight_decay=0.0,
        logging_steps=experiment.logging_steps,
        logging_nan_inf_filter=False,
        save_strategy="steps" if experiment.save_steps else "no",
        save_steps=experiment.save_steps or 500,
        save_total_limit=3,
        seed=experiment.seed,
        bf16=use_bf16(experiment.precision),
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=experiment.gradient_checkpointing,
        report_to=list(experiment.report_to) or "none",
        remove_unused_columns=False,
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def use_bf16(precision: str) -> bool:
    """`auto` is bf16 where the hardware computes in it, else float32."""
    if precision != "auto":
        return precision == "bf16"
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def train(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    examples: ExampleDataset,
    experiment: Experiment,
    work: Path,
    report: Progress,
) -> list[dict[str, Any]]:
    """Trains `model` in place and returns the log; continues from the last state in `work` if there is one."""
    callback = ProgressCallback(report)
    trainer = InOrderTrainer(
        model=model,
        args=training_arguments(experiment, work),
        train_dataset=examples,
        data_collator=Padding(tokenizer.pad_token_id),
        callbacks=[callback],
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(work)) if os.path.isdir(work) else None)
    return callback.rows
