"""Fine-tuning on a table of recipes with transformers' Trainer. Knows nothing of Dagster or of where tables live.

A training that is interrupted and resumed ends with the same bits as one that is not: examples are functions of their
index, what is logged begins anew at every saved state, and evaluation draws no random number.
"""

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import SequentialSampler
from transformers import PreTrainedTokenizerBase, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.training.attention import attend_in_segments, can_segment
from arc_pipeline.model.training.batching import IGNORED, Example, Padded, can_keep_few, packed
from arc_pipeline.model.training.callbacks import LogAtStates, Progress, ReportRows, Speed, Stability
from arc_pipeline.model.training.dataset import ExampleDataset
from arc_pipeline.model.training.head_loss import can_be_partwise, partwise_loss
from arc_pipeline.model.training.states import newest_intact, prune_states, seal, state_path, whole_or_nothing
from arc_pipeline.model.training.throughput import Meter
from arc_pipeline.model.weights.checkpoint import log_rows

Collator = Callable[[Sequence[Example]], dict[str, Any]]
TRIED_TOKENS = 8


class ExactTrainer(Trainer):
    """Takes the examples in the order of the table, measures validation as it trains, and seals its states."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.remove_callback(PrinterCallback)

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """As ever, in memory that does not grow with the number of logits."""
        with self._loss_of_head():
            return super().compute_loss(*args, **kwargs)

    def _loss_of_head(self) -> AbstractContextManager[None]:
        return partwise_loss(self._base) if self._has_plain_head else nullcontext()

    @cached_property
    def _base(self) -> Any:
        return base_of(self.accelerator.unwrap_model(self.model))

    @cached_property
    def _has_plain_head(self) -> bool:
        ids = list(range(TRIED_TOKENS))
        tried = self.data_collator([{"input_ids": ids, "labels": ids}])
        return can_be_partwise(self._base, self._prepare_inputs(tried))

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Measures validation loss."""
        metrics = {"eval_loss": self._validation_loss()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _validation_loss(self) -> float:
        """Mean over all supervised tokens of all ranks, as the training's loss; draws no random number."""
        sums = torch.zeros(2, dtype=torch.float64)
        self.model.eval()
        with torch.no_grad(), self._loss_of_head():
            for batch in self._validation_batches():
                loss = self.model(**self._prepare_inputs(batch), num_items_in_batch=1).loss
                n_tokens = batch["labels"][:, 1:].ne(IGNORED).sum()
                sums += torch.tensor([loss.item(), n_tokens.item()], dtype=torch.float64)
        loss_sum, n_tokens = self.accelerator.reduce(sums.to(self.args.device)).tolist()
        return loss_sum / n_tokens

    def _validation_batches(self) -> Iterator[dict[str, Any]]:
        size, rank = self.args.per_device_train_batch_size, self.args.process_index
        batches = [self.eval_dataset[begin : begin + size] for begin in range(0, len(self.eval_dataset), size)]
        yield from map(self.data_collator, batches[rank :: self.args.world_size])

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """A new best is saved, so that it can be kept."""
        is_best = super()._determine_best_metric(metrics, trial)
        self.control.should_save |= is_best
        return is_best

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Writes a state, seals it, and only then removes older ones."""
        work = Path(self.args.output_dir)
        state = state_path(work, self.state.global_step)
        with whole_or_nothing(state):
            if self.args.should_save:
                shutil.rmtree(state, ignore_errors=True)
            self.accelerator.wait_for_everyone()
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                seal(state)
                prune_states(work, self.state.best_global_step)


def training_arguments(experiment: Experiment, work: Path) -> TrainingArguments:
    """The arguments of transformers' Trainer for an experiment."""
    per_process = experiment.batch_size // experiment.processes
    micro = experiment.micro_batch_size or per_process
    arguments = TrainingArguments(
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
        save_strategy="steps",
        save_steps=experiment.save_interval,
        eval_strategy="steps" if experiment.validation else "no",
        eval_steps=experiment.eval_interval,
        metric_for_best_model="eval_loss" if experiment.validation else None,
        greater_is_better=False if experiment.validation else None,
        seed=experiment.seed,
        bf16=use_bf16(experiment.precision),
        use_cpu=not torch.cuda.is_available(),
        activation_checkpointing=experiment.gradient_checkpointing,
        ddp_find_unused_parameters=False,
        run_name=experiment.name,
        report_to="none",  # see trackers
        remove_unused_columns=False,
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # one process uses one GPU; else batches would be split over all
    return arguments


def use_bf16(precision: str) -> bool:
    """`auto` is bf16 where the hardware computes in it, else float32."""
    if precision != "auto":
        return precision == "bf16"
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def base_of(model: Any) -> Any:
    """The model without the wrapping of its adapter."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def collator(model: Any, packing: str, pad_token_id: int) -> Collator:
    """Packs several examples in a row where that is exact, which changes the model's attention; else pads them."""
    base = base_of(model)
    able = can_segment(base) and can_keep_few(base)
    if packing == "on" and not able:
        raise ArcPipelineError(f"packing: on, but examples in one row of {type(base).__name__} would see each other")
    if packing == "off" or not able:
        return Padded(pad_token_id, keep_all=not can_keep_few(base))
    attend_in_segments(base)
    return packed


def train(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    examples: ExampleDataset,
    experiment: Experiment,
    work: Path,
    report: Progress,
    validation: Sequence[Example] = (),
    callbacks: Sequence[TrainerCallback] = (),
) -> list[dict[str, Any]]:
    """Trains `model` in place and returns the log; resumes from the last intact state in `work` if there is one."""
    meter = Meter(examples.n_tokens(), experiment.batch_size)
    trainer = ExactTrainer(
        model=model,
        args=training_arguments(experiment, work),
        train_dataset=examples,
        eval_dataset=list(validation) or None,
        data_collator=collator(model, experiment.packing, tokenizer.pad_token_id),
        # in this order: a row is refused, or has its times before it is reported
        callbacks=[LogAtStates(), Stability(report), Speed(meter), ReportRows(report), *callbacks],
    )
    state = newest_intact(work, lambda message: report({"message": message}))
    if state:
        report({"message": f"the training resumes from {state}"})
    trainer.train(resume_from_checkpoint=str(state) if state else None)
    return log_rows(trainer.state.log_history, experiment.max_steps)
