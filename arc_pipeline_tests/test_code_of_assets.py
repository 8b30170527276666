"""An edit in a module changes the code version of exactly the assets that use what was edited."""

import ast
import shutil
from pathlib import Path

import pytest

import arc_pipeline
from arc_pipeline.definitions import defs  # noqa: F401  (fills CODE)
from arc_pipeline.defs.asset_code import CODE, ENTRIES
from arc_pipeline.store.code_version import Module, Package, code_of

SOURCE = Path(arc_pipeline.__file__).parent
# module: the assets that change when each of its functions does. Roots and configurations are known by
# their content; the hash of tokens stands for rendering in `checkpoint`; "ten shortest tasks" counts tokens of prompts
ASKED = "attempts breakdown contamination failures metrics predictions prompt_samples"
READERS = f"{ASKED} augmented_examples tasks"
CURVES = "prediction_curve training_curve"
TABLES = "duration_table results_table temperature_table"
USED_BY = {
    "arc/augmentation/augmentation.py": "augmented_examples contamination predictions prompt_samples training_curve",
    "arc/augmentation/checks.py": "augmented_examples",
    "arc/augmentation/contamination.py": "contamination",
    "arc/augmentation/mixture.py": "augmented_examples",
    "arc/augmentation/recipes.py": "augmented_examples checkpoint predictions prompt_samples training_curve",
    "arc/augmentation/test_time.py": "augmented_examples checkpoint contamination",
    "arc/evaluation/bootstrap.py": f"breakdown metrics prediction_curve training_curve {TABLES}",
    "arc/evaluation/breakdown.py": "breakdown",
    "arc/evaluation/comparison.py": TABLES,
    "arc/evaluation/diff.py": "",
    "arc/evaluation/failures.py": "failures",
    "arc/evaluation/metric_tables.py": "failures metrics prediction_curve training_curve",
    "arc/evaluation/metrics.py": f"failures metrics training_curve {TABLES}",
    "arc/evaluation/prediction_curve.py": "prediction_curve",
    "arc/evaluation/results.py": f"experiment_summary {TABLES}",
    "arc/evaluation/score.py": "",
    "arc/evaluation/voting.py": "attempts breakdown failures metrics prediction_curve training_curve",
    "arc/experiment.py": "",
    "arc/names.py": "arc_source tasks",
    "arc/new_experiment.py": "",
    "arc/prediction/completions.py": "predictions training_curve",
    "arc/prediction/drafts.py": "predictions training_curve",
    "arc/prediction/encoder.py": "arc_source augmented_examples predictions prompt_samples tasks training_curve",
    "arc/prediction/grammar.py": "predictions training_curve",
    "arc/prediction/prompt.py": "arc_source augmented_examples predictions prompt_samples tasks training_curve",
    "arc/prediction/prompt_samples.py": "prompt_samples",
    "arc/prediction/questions.py": "predictions training_curve",
    "arc/prediction/vocabulary.py": "arc_source tasks",
    "arc/settings.py": "",
    "arc/tasks/catalogue.py": "arc_source tasks",
    "arc/tasks/derivations.py": "arc_source tasks",
    "arc/tasks/documents.py": "arc_source tasks",
    "arc/tasks/lookup.py": "",
    "arc/tasks/reading.py": "arc_source tasks",
    "arc/tasks/sources.py": "arc_source tasks",
    "arc/tasks/specs.py": "arc_source tasks",
    "arc/tasks/task.py": f"arc_source {READERS} {CURVES}",
    "arc/tasks/task_table.py": f"{READERS} {CURVES}",
    "arc/training/validation.py": "checkpoint",
    "errors.py": "arc_source attempts metrics tasks training_curve results_table",
    "machine/accelerator.py": "",
    "machine/memory.py": "",
    "machine/process.py": "",
    "model/prediction/complete.py": "predictions training_curve",
    "model/prediction/constraints.py": "predictions training_curve",
    "model/prediction/decode_state.py": "predictions training_curve",
    "model/prediction/engine.py": "predictions training_curve",
    "model/prediction/hf_generate.py": "predictions training_curve",
    "model/prediction/requests.py": "predictions training_curve",
    "model/prediction/sampling.py": "predictions training_curve",
    "model/prediction/schedule.py": "predictions training_curve",
    "model/prediction/shared_prefix.py": "predictions training_curve",
    "model/prediction/token_texts.py": "",
    "model/training/attention.py": "checkpoint predictions training_curve",
    "model/training/batching.py": "checkpoint",
    "model/training/dataset.py": "checkpoint",
    "model/training/head_loss.py": "checkpoint",
    "model/training/job.py": "",
    "model/training/milestones.py": "checkpoint",
    "model/training/program.py": "checkpoint",
    "model/training/states.py": "checkpoint",
    "model/training/task_adapters.py": "checkpoint",
    "model/training/throughput.py": "",
    "model/training/trackers.py": "",
    "model/training/trainer.py": "checkpoint",
    "model/weights/chat.py": "augmented_examples checkpoint predictions training_curve",
    "model/weights/checkpoint.py": "checkpoint predictions training_curve",
    "model/weights/known_architectures.py": "",
    "model/weights/loading.py": "checkpoint predictions training_curve",
    "model/weights/small_vocabulary.py": "augmented_examples checkpoint",
    "model/weights/source.py": "augmented_examples checkpoint",
    "model/weights/tokenization.py": "augmented_examples checkpoint predictions training_curve",
    "store/artefact.py": "",
    "store/code_migration.py": "",
    "store/code_version.py": "",
    "store/differences.py": "",
    "store/environment.py": "",
    "store/pruning.py": "",
    "store/tables.py": f"{ASKED} evaluation_tasks experiment_summary {CURVES} {TABLES}",
    "store/trace.py": "",
}
LAYERS = ("arc", "machine", "model", "store")
MODULES = [SOURCE / "errors.py", *(path for layer in LAYERS for path in sorted((SOURCE / layer).rglob("*.py")))]


class Edit(ast.NodeTransformer):
    """Puts a statement without effect into every function."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.body.append(ast.parse("edited = 1").body[0])
        return node


class Edited(Package):
    """The package with every function of one module edited; all others are those of another package, read already."""

    def __init__(self, package: Package, name: str, path: Path) -> None:
        super().__init__(package.root)
        edited = Module(name, path)
        edited.tree = ast.fix_missing_locations(Edit().visit(ast.parse(path.read_text())))
        self._modules = {**package._modules, name: edited}


def versions(package: Package) -> dict[str, str]:
    """The code version of every asset."""
    return {asset: code_of(*entry, asset, package).version for asset, entry in ENTRIES.items()}


@pytest.fixture(scope="module")
def package() -> Package:
    read = Package(SOURCE)
    versions(read)
    return read


def test_every_module_is_in_the_table() -> None:
    there = {path.relative_to(SOURCE).as_posix() for path in MODULES if path.name != "__init__.py"}
    assert there == USED_BY.keys()


@pytest.mark.parametrize("module", USED_BY)
def test_exactly_the_assets_that_use_a_module_change(module: str, package: Package) -> None:
    name = f"arc_pipeline.{module.removesuffix('.py').replace('/', '.')}"
    edited, before = versions(Edited(package, name, SOURCE / module)), versions(package)
    assert {asset for asset in before if edited[asset] != before[asset]} == set(USED_BY[module].split())


def test_pictures_change_nothing(tmp_path: Path, package: Package) -> None:
    copy = tmp_path / "arc_pipeline"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (copy / "report").rglob("*.py"):
        path.write_text(path.read_text() + "\n\ndef markdown(*_): return ''\n\n\nSHEETS = {}\n")
    assert versions(Package(copy)) == versions(package)


def test_comments_and_docstrings_change_nothing(tmp_path: Path, package: Package) -> None:
    copy = tmp_path / "arc_pipeline"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for path in copy.rglob("*.py"):
        # parsing and printing drops comments and formatting
        path.write_text("# a comment\n" + ast.unparse(ast.parse(path.read_text())))
    assert versions(Package(copy)) == versions(package)
    assert {asset: code.version for asset, code in CODE.items()} == versions(package)
