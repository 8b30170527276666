"""What a notebook uses: data, a model, its answers, votes and scores, without Dagster."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import arc_pipeline
from arc_pipeline import load_model, open_project, read_dataset, render_prompt, score, vote
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.candidates import decode
from arc_pipeline.arc.prediction.requests import candidate_requests
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.task import Pair, Task
from arc_pipeline.errors import ArcPipelineError, FaultyInput

TASK = Task(
    "a", (Pair(((1, 2),), ((2, 1),)), Pair(((3, 4),), ((4, 3),))), (Pair(((5, 6),), ((6, 5),)), Pair(((7,),), ((7,),)))
)
ANSWERED = {"a": [{"attempt_1": [[6, 5]], "attempt_2": [[0]]}, {"attempt_1": [[0]], "attempt_2": [[0]]}]}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a model as `arc-pipeline export` writes it, its weights random."""
    from arc_pipeline.model.weights.checkpoint import save_checkpoint
    from arc_pipeline.model.weights.exporting import export_model
    from arc_pipeline.model.weights.loading import load_start

    content, directory = tmp_path_factory.mktemp("content"), tmp_path_factory.mktemp("given") / "model"
    experiment = an_experiment()
    save_checkpoint(*load_start("tiny", experiment), content)
    (content / "experiment.yaml").write_text(json.dumps(experiment.model_dump(exclude={"name"})))
    export_model(content, directory, experiment, lambda export: f"ends with {export.end}", "float32")
    return directory


def an_experiment() -> Experiment:
    fields = {"name": "x", "train": [{"dataset": "d"}], "max_steps": 1, "predict": {"datasets": ["d"]}}
    return Experiment.model_validate(fields)


def test_a_file_of_tasks_is_read_as_in_the_data_directory(tmp_path: Path) -> None:
    pairs = {"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[3]], "output": [[4]]}]}
    (tmp_path / "mine.json").write_text(json.dumps({"t": pairs}))
    [task] = read_dataset(tmp_path / "mine.json")
    assert (task.task_id, task.test[0].output) == ("t", ((4,),))
    (tmp_path / "mine.json").write_text(json.dumps({"t": pairs | {"test": [{"input": [[30]], "output": [[4]]}]}}))
    with pytest.raises(FaultyInput, match="task t"):
        read_dataset(tmp_path / "mine.json")


def test_datasets_have_names_in_a_project() -> None:
    project = open_project(Path(arc_pipeline.__file__).parents[1])
    assert len(read_dataset("arc-agi-1-ten-shortest", project)) == 10
    with pytest.raises(FaultyInput, match="there is no dataset 'arc-agi-1-ten'"):
        read_dataset("arc-agi-1-ten", project)


def test_a_directory_without_a_project_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArcPipelineError, match="no project in"):
        open_project(tmp_path)


def test_a_model_that_was_not_made_is_said(tmp_path: Path) -> None:
    project = open_project(Path(arc_pipeline.__file__).parents[1])
    with pytest.raises(ArcPipelineError, match="demo-fixed"):
        load_model("demo-fixed", open_project(arc_pipeline_copy(project.data, tmp_path)))


def arc_pipeline_copy(data: Path, target: Path) -> Path:
    """The same files, nothing made of them."""
    from shutil import copytree

    copytree(data, target / "data", ignore=lambda place, names: {"store", "dagster_home"} & {*names})
    return target


def test_answers_are_those_of_the_pipeline(exported: Path) -> None:
    from arc_pipeline.model.prediction.candidates import complete_candidates

    model = load_model(exported)
    candidates = model.predict(TASK, predictions=3, temperature=0.5)
    assert [len(of_pair) for of_pair in candidates] == [3, 3]
    settings = model.experiment.predict.model_copy(update={"predictions": 3})
    experiment = model.experiment.model_copy(update={"predict": settings})
    requests, encoder = list(candidate_requests(experiment, {"d": [TASK]}, 0.5)), parse_encoder(experiment.grid_encoder)
    found = dict(complete_candidates(exported, requests, experiment))
    grids = [decode(found[place], each.recipe.augmentation, encoder)[0] for place, each in enumerate(requests)]
    assert [candidate.grid for of_pair in candidates for candidate in of_pair] == grids
    assert sum(ranked.votes for ranked in vote(candidates[0])) == sum(each.grid is not None for each in candidates[0])


def test_plain_transformers_answers_alike(exported: Path) -> None:
    """`generate` knows no grammar, so the engine answers without it too."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from arc_pipeline.arc.prediction.requests import PromptRequest
    from arc_pipeline.model.prediction.complete import complete
    from arc_pipeline.model.prediction.constraints import CompletionLimit
    from arc_pipeline.model.weights.loading import load_checkpoint

    prompts = [render_prompt(TASK, an_experiment(), test_index) for test_index in (0, 1)]
    limit = CompletionLimit(40, lambda beginning: 10_000)
    ours = dict(complete(*load_checkpoint(exported), [PromptRequest(prompt, 0, 0.0) for prompt in prompts], limit))
    tokenizer, model = AutoTokenizer.from_pretrained(exported), AutoModelForCausalLM.from_pretrained(exported)
    for place, prompt in enumerate(prompts):
        message = [{"role": "user", "content": prompt}]
        assert tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True) == prompt
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
        with torch.no_grad():
            generated = model.generate(**ids, max_new_tokens=40)[0, ids["input_ids"].shape[1] :]
        text = tokenizer.decode(generated, skip_special_tokens=True)
        assert len(text) > 5
        assert ours[place].text == text
    assert (exported / "README.md").read_text() == "ends with <|end|>"


def test_scores_by_both_rules() -> None:
    scores = score(ANSWERED, [TASK])
    assert (scores["pair_score"], scores["task_score"], scores["solved"]) == (0.5, 0.5, 0)


def test_reading_and_scoring_import_neither_dagster_nor_torch() -> None:
    program = (
        "import sys; from arc_pipeline import load_model, read_dataset, score, vote; "
        "print([name for name in ('dagster', 'torch', 'transformers') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"


def test_unknown_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        arc_pipeline.__getattr__("nothing")
