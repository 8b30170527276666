"""The training program, on examples that were drawn and checked."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file
from transformers.models.qwen2.modeling_qwen2 import Qwen2MLP

from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.training import program
from arc_pipeline.model.training.batching import Padded
from arc_pipeline.model.training.dataset import ExampleDataset, validation_examples
from arc_pipeline.model.training.job import TrainingJob
from arc_pipeline.model.training.program import refuse_other_ids, run
from arc_pipeline.model.training.states import states
from arc_pipeline.model.training.throughput import progress_line
from arc_pipeline.model.weights.checkpoint import milestone, read_log, weights_hash
from arc_pipeline.model.weights.loading import TINY_CONFIG, load_checkpoint, load_model
from arc_pipeline.model.weights.tokenization import load_tokenizer, tiny_tokenizer
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.store import Store

MakeJob = Callable[..., Path]


Train = Callable[[Path], tuple[int | str | None, str]]


@pytest.fixture
def train(capsys: pytest.CaptureFixture[str]) -> Train:
    """Runs the program in this process; what it ends with, as `sys.exit` takes it, and what it said."""

    def run_program(job: Path) -> tuple[int | str | None, str]:
        ending: int | str | None = 0
        try:
            program.train_job_file(str(job))
        except SystemExit as error:
            ending = error.code
        return ending, capsys.readouterr().err

    return run_program


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_training_leaves_a_checkpoint_that_stands_alone(
    tmp_path: Path, make_job: MakeJob, train: Train, method: str
) -> None:
    asked = {"datasets": ["d"], "at_steps": [2]}
    ending, said = train(make_job(tmp_path, tuning={"method": method, "rank": 4}, predict=asked))
    assert ending == 0, said
    output = tmp_path / "output"
    assert [row["step"] for row in read_log(output).to_pylist()] == [2, 4]
    assert (output / "model.safetensors").is_file()
    assert (output / "tokenizer.json").is_file()
    assert (output / "adapter").is_dir() == (method == "lora")
    assert len(weights_hash(output)) == 64
    assert "segmented" not in (output / "config.json").read_text()
    # the weights after step 2 stand alone as well
    kept, _ = load_checkpoint(milestone(output, 2))
    assert sum(parameter.numel() for parameter in kept.parameters()) > 500_000
    assert weights_hash(milestone(output, 2)) != weights_hash(output)
    assert milestone(tmp_path / "work", 2).is_dir()  # whoever is killed before the commit finds them again
    with pytest.raises(ArcPipelineError, match=r"step 3 was not kept by the training \(kept: \[2\]\)"):
        milestone(output, 3)


def test_weights_that_are_kept_on_the_way_change_none_of_the_training(tmp_path: Path, make_job: MakeJob) -> None:
    hashes = set()
    for name, steps in (("kept", [1, 3]), ("plain", [])):
        tuning = {"method": "lora", "rank": 4, "dropout": 0.2}
        file = make_job(tmp_path / name, tuning=tuning, predict={"datasets": ["d"], "at_steps": steps})
        job = TrainingJob.model_validate_json(file.read_bytes())
        run(job, lambda row: None)
        hashes.add(weights_hash(job.output))
    assert len(hashes) == 1


def test_examples_that_render_to_other_tokens_are_refused(tmp_path: Path, make_job: MakeJob, train: Train) -> None:
    job = make_job(tmp_path)
    changed = json.loads(job.read_text())
    changed["experiment"]["grid_encoder"] = "MinimalGridEncoder()"
    job.write_text(json.dumps(changed))
    ending, _ = train(job)
    assert str(ending).startswith("error: example 0 (task ")
    assert "materialize augmented_examples again" in str(ending)


def test_an_input_that_was_damaged_since_it_was_committed_is_refused(
    tmp_path: Path, make_job: MakeJob, train: Train
) -> None:
    job = TrainingJob.model_validate_json(make_job(tmp_path / "made").read_bytes())
    store = Store(tmp_path / "store")
    with store.writing(Artefact("tasks", "d")) as directory:
        shutil.copy(job.tasks["d"] / "tasks.parquet", directory)
        lineage = Lineage(artefact="tasks[d]", data_version="ab" * 32, code_version="1", upstream={})
        content = store.content(store.commit(directory, lineage))
    table = content / "tasks.parquet"
    written = bytearray(table.read_bytes())
    written[len(written) // 2] ^= 1
    table.chmod(0o644)
    table.write_bytes(written)
    damaged = tmp_path / "job.json"
    damaged.write_text(job.model_copy(update={"tasks": {"d": content}}).model_dump_json())

    ending, _ = train(damaged)

    assert "tasks[d] cannot be used" in str(ending)
    assert "tasks.parquet has other bytes" in str(ending)
    assert not list(job.output.iterdir())


def test_a_saved_tokenizer_that_gives_other_ids_is_refused(tmp_path: Path, make_job: MakeJob) -> None:
    job = TrainingJob.model_validate_json(make_job(tmp_path).read_bytes())
    other, about = tiny_tokenizer(), (job.recipes(), job.training_tasks(), job.experiment)
    examples = ExampleDataset(*about, tiny_tokenizer())
    refuse_other_ids(examples, ExampleDataset(*about, other), "tiny")
    other.add_tokens(["Input"])
    with pytest.raises(ArcPipelineError, match="model 'tiny': its tokenizer gives other tokens for example 0 after"):
        refuse_other_ids(examples, ExampleDataset(*about, other), "tiny")


def test_a_tokenizer_that_would_be_saved_as_another_is_refused_before_the_first_step(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = TrainingJob.model_validate_json(make_job(tmp_path).read_bytes())
    other = tiny_tokenizer()
    other.add_tokens(["Input"])
    monkeypatch.setattr("arc_pipeline.model.weights.tokenization.saved_tokenizer", lambda directory: other)
    with pytest.raises(ArcPipelineError, match="after it was saved"):
        run(job, lambda row: None)
    assert not job.work.exists() or not list(job.work.glob("checkpoint-*"))


@pytest.mark.parametrize("validation", [False, True])
def test_a_loss_that_is_no_number_ends_the_training_and_the_states_before_are_intact(
    tmp_path: Path, make_job: MakeJob, validation: bool
) -> None:
    measured = {"validation": [{"dataset": "d"}]} if validation else {}
    fields = {"max_steps": 40, "logging_steps": 3, "save_steps": 1, "learning_rate": 1e30, "warmup_ratio": 0.5}
    job = TrainingJob.model_validate_json(make_job(tmp_path, **fields, **measured).read_bytes())
    with pytest.raises(ArcPipelineError, match=r"(loss|grad_norm) is (nan|inf) at step \d+, so the training is lost"):
        run(job, lambda row: None)
    assert states(job.work)
    for state in states(job.work):
        assert all(weight.isfinite().all() for weight in load_file(state / "model.safetensors").values())


def trained(directory: Path, make_job: MakeJob, **changes: object) -> tuple[TrainingJob, list[dict[str, object]]]:
    """(job, rows of its log) of a training in this process that logs every step."""
    job = TrainingJob.model_validate_json(make_job(directory, logging_steps=1, **changes).read_bytes())
    run(job, lambda row: None)
    return job, read_log(job.output).to_pylist()


WARM_UP, STEPS = 2, 8


def expected_rate(schedule: str, steps_before: int) -> float:
    """The share of `learning_rate` at which a step trains."""
    if schedule == "constant":  # it has no warm-up
        return 1
    if steps_before < WARM_UP:
        return steps_before / WARM_UP
    done = (steps_before - WARM_UP) / (STEPS - WARM_UP)
    return 1 - done if schedule == "linear" else (1 + math.cos(math.pi * done)) / 2


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_learning_rates_follow_the_schedule(tmp_path: Path, make_job: MakeJob, schedule: str) -> None:
    rates = {"lr_scheduler": schedule, "learning_rate": 0.01, "warmup_ratio": WARM_UP / STEPS}
    _, rows = trained(tmp_path, make_job, max_steps=STEPS, **rates)
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    expected = [0.01 * expected_rate(schedule, step) for step in range(STEPS)]
    assert [row["learning_rate"] for row in rows] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("changed", [{}, {"rslora": True}, {"dora": True}, {"dropout": 0.1}, {"rank": 3}], ids=str)
def test_the_saved_adapter_is_of_the_kind_that_was_asked_for(
    tmp_path: Path, make_job: MakeJob, changed: dict[str, object]
) -> None:
    tuning = {"method": "lora", "rank": 4, "rslora": False, "dora": False, "dropout": 0.0} | changed
    job, rows = trained(tmp_path, make_job, max_steps=2, tuning=tuning)
    assert [row["step"] for row in rows] == [1, 2]
    saved = json.loads((job.output / "adapter" / "adapter_config.json").read_text())
    assert (saved["use_rslora"], saved["use_dora"]) == (tuning["rslora"], tuning["dora"])
    assert (saved["r"], saved["lora_alpha"], saved["lora_dropout"]) == (
        tuning["rank"],
        2 * tuning["rank"],
        tuning["dropout"],
    )
    weights = safe_open(job.output / "adapter" / "adapter_model.safetensors", "pt").keys()
    assert any("lora_magnitude_vector" in name for name in weights) == tuning["dora"]


@pytest.mark.parametrize("tuning", [{}, {"method": "lora", "rank": 4, "rslora": True, "dropout": 0.1}], ids=str)
def test_gradient_checkpointing_computes_every_layer_twice_and_changes_nothing_else(
    tmp_path: Path, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, tuning: dict[str, object]
) -> None:
    computed: list[object] = []
    forward = Qwen2MLP.forward
    monkeypatch.setattr(Qwen2MLP, "forward", lambda *given: computed.append(given[0]) or forward(*given))
    passes, losses = [], []
    for checkpointing in (False, True):
        fields = {"tuning": tuning, "gradient_checkpointing": checkpointing, "precision": "fp32", "max_steps": 2}
        _, rows = trained(tmp_path / str(checkpointing), make_job, **fields)
        passes.append(len(computed))
        losses.append([row["loss"] for row in rows])
        computed.clear()
    # once more in each layer for each of two steps
    assert passes[1] - passes[0] == 2 * TINY_CONFIG["num_hidden_layers"]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_small_batches_of_padded_rows_accumulate_to_the_same_steps(tmp_path: Path, make_job: MakeJob) -> None:
    fields = {"supervise": "all-outputs", "precision": "fp32", "max_steps": 2}
    ways = {"packed": {}, "padded": {"packing": "off", "micro_batch_size": 2}}
    packed, padded = (trained(tmp_path / name, make_job, **fields, **way)[1] for name, way in ways.items())
    assert [row["loss"] for row in padded] == pytest.approx([row["loss"] for row in packed], abs=1e-5)


def test_progress_says_how_fast_it_goes(tmp_path: Path, make_job: MakeJob) -> None:
    job = TrainingJob.model_validate_json(make_job(tmp_path).read_bytes())
    rows: list[dict[str, object]] = []
    run(job, rows.append)
    tokens = sum(job.recipes()["n_tokens"].to_pylist())
    logged = [row for row in rows if "loss" in row]
    seconds = [logged[0]["seconds"], logged[1]["seconds"] - logged[0]["seconds"]]
    assert sum(row["tokens_per_second"] * each for row, each in zip(logged, seconds, strict=True)) == pytest.approx(
        tokens
    )
    assert "tokens/s" in progress_line(logged[0])


def test_validation_loss_is_computed_as_training_loss_is(tmp_path: Path, make_job: MakeJob) -> None:
    """At a learning rate of almost zero, the loss on the validation examples is that of a training on them."""
    fields = {"validation": [{"dataset": "d"}], "eval_steps": 1, "precision": "fp32", "learning_rate": 1e-30}
    job = TrainingJob.model_validate_json(make_job(tmp_path, max_steps=2, micro_batch_size=1, **fields).read_bytes())
    rows: list[dict[str, object]] = []
    run(job, rows.append)
    tokenizer = load_tokenizer("tiny")
    batch = Padded(0, keep_all=True)(validation_examples(job.experiment, job.validated_tasks(), tokenizer))
    loss = load_model("tiny", job.experiment.seed, len(tokenizer))(**batch).loss.item()
    assert [row["eval_loss"] for row in rows if "eval_loss" in row] == pytest.approx([loss, loss], abs=1e-6)
    assert [progress_line(row) for row in rows][2] == f"step 1/2, validation loss {loss:.4f}"
    assert [row["eval_loss"] for row in read_log(job.output).to_pylist()] == pytest.approx([loss, loss], abs=1e-6)


def test_evaluation_changes_no_weight(tmp_path: Path, make_job: MakeJob) -> None:
    lora = {"method": "lora", "rank": 4, "dropout": 0.3}
    hashes = []
    for steps in (1, 3):
        directory = tmp_path / str(steps)
        fields = {"validation": [{"dataset": "d"}], "eval_steps": steps, "save_steps": 5 - steps, "tuning": lora}
        job = TrainingJob.model_validate_json(make_job(directory, **fields).read_bytes())
        run(job, lambda row: None)
        hashes.append(weights_hash(job.output))
    assert hashes[0] == hashes[1]


def test_a_validation_set_that_does_not_fit_is_refused(tmp_path: Path, make_job: MakeJob) -> None:
    job = TrainingJob.model_validate_json(make_job(tmp_path, validation=[{"dataset": "d"}]).read_bytes())
    short = job.experiment.model_copy(update={"max_seq_len": 16})
    with pytest.raises(ArcPipelineError, match="no test pair of d fits max_seq_len 16"):
        validation_examples(short, job.validated_tasks(), tiny_tokenizer())


def test_the_state_with_the_least_validation_loss_is_kept(tmp_path: Path, make_job: MakeJob) -> None:
    """At a learning rate of almost zero none is better than the first."""
    fields = {"validation": [{"dataset": "d"}], "eval_steps": 1, "save_steps": 1, "learning_rate": 1e-30}
    job = TrainingJob.model_validate_json(make_job(tmp_path, max_steps=6, **fields).read_bytes())
    run(job, lambda row: None)
    assert [state.name for state in states(job.work)] == [f"checkpoint-{step}" for step in (6, 5, 4, 1)]
