"""An edit in a module changes the code version of exactly the assets that use what was edited."""

import ast
import shutil
from pathlib import Path

import pytest

import arc_pipeline
from arc_pipeline.arc.code_version import Module, Package, code_of
from arc_pipeline.definitions import defs  # noqa: F401  (fills CODE)
from arc_pipeline.defs.code import CODE, ENTRIES

SOURCE = Path(arc_pipeline.__file__).parent
# module: the assets that change when each of its functions does. Roots and configurations are known by
# their content; the hash of tokens stands for rendering in `checkpoint`; "ten shortest tasks" counts tokens of prompts
ASKED = "attempts breakdown contamination failures metrics predictions prompt_samples"
READERS = f"{ASKED} augmented_examples tasks"
CURVES = "prediction_curve training_curve"
TABLES = "duration_table results_table temperature_table"
USED_BY = {
    "arc/artefact.py": "",
    "arc/at_test_time.py": "augmented_examples checkpoint contamination",
    "arc/augmentation.py": "augmented_examples contamination predictions prompt_samples training_curve",
    "arc/bootstrap.py": f"breakdown metrics prediction_curve training_curve {TABLES}",
    "arc/breakdown.py": "breakdown",
    "arc/checks.py": "augmented_examples",
    "arc/code_migration.py": "",
    "arc/code_version.py": "",
    "arc/comparison.py": TABLES,
    "arc/completions.py": "predictions training_curve",
    "arc/contamination.py": "contamination",
    "arc/datasets.py": "arc_source tasks",
    "arc/derivations.py": "arc_source tasks",
    "arc/diff.py": "",
    "arc/differences.py": "",
    "arc/documents.py": "arc_source tasks",
    "arc/drafts.py": "predictions training_curve",
    "arc/encoder.py": "arc_source augmented_examples predictions prompt_samples tasks training_curve",
    "arc/environment.py": "",
    "arc/errors.py": "arc_source attempts metrics tasks training_curve results_table",
    "arc/examples.py": "augmented_examples checkpoint predictions prompt_samples training_curve",
    "arc/experiment.py": "",
    "arc/failures.py": "failures",
    "arc/gains.py": "results_table",
    "arc/grammar.py": "predictions training_curve",
    "arc/lookup.py": "",
    "arc/metrics.py": "failures metrics prediction_curve training_curve",
    "arc/mixture.py": "augmented_examples",
    "arc/names.py": "arc_source tasks",
    "arc/new_experiment.py": "",
    "arc/prediction.py": "predictions training_curve",
    "arc/prediction_curve.py": "prediction_curve",
    "arc/prompt.py": "arc_source augmented_examples predictions prompt_samples tasks training_curve",
    "arc/prompt_samples.py": "prompt_samples",
    "arc/pruning.py": "",
    "arc/reading.py": "arc_source tasks",
    "arc/results.py": f"experiment_summary {TABLES}",
    "arc/score.py": "",
    "arc/settings.py": "",
    "arc/sources.py": "arc_source tasks",
    "arc/specs.py": "arc_source tasks",
    "arc/stacking.py": f"{ASKED} evaluation_tasks experiment_summary {CURVES} {TABLES}",
    "arc/task.py": f"arc_source {READERS} {CURVES}",
    "arc/task_table.py": f"{READERS} {CURVES}",
    "arc/trace.py": "",
    "arc/validation.py": "checkpoint",
    "arc/vocabulary.py": "arc_source tasks",
    "arc/voting.py": "attempts breakdown failures metrics prediction_curve training_curve",
    "model/answering.py": "predictions training_curve",
    "model/attention.py": "checkpoint predictions training_curve",
    "model/batching.py": "checkpoint",
    "model/book.py": "predictions training_curve",
    "model/chat.py": "augmented_examples checkpoint predictions training_curve",
    "model/checkpoint.py": "checkpoint predictions training_curve",
    "model/engine.py": "predictions training_curve",
    "model/cut.py": "augmented_examples checkpoint",
    "model/examples.py": "checkpoint",
    "model/generation.py": "predictions training_curve",
    "model/head_loss.py": "checkpoint",
    "model/job.py": "",
    "model/loading.py": "checkpoint predictions training_curve",
    "model/meter.py": "",
    "model/milestones.py": "checkpoint",
    "model/pieces.py": "",
    "model/process.py": "",
    "model/reference.py": "predictions training_curve",
    "model/rows.py": "predictions training_curve",
    "model/rules.py": "predictions training_curve",
    "model/sampling.py": "predictions training_curve",
    "model/shared_prefix.py": "predictions training_curve",
    "model/shapes.py": "",
    "model/source.py": "augmented_examples checkpoint",
    "model/states.py": "checkpoint",
    "model/task_adapters.py": "checkpoint",
    "model/tokenization.py": "augmented_examples checkpoint predictions training_curve",
    "model/trackers.py": "",
    "model/train.py": "checkpoint",
    "model/training.py": "checkpoint",
}
MODULES = sorted(path for layer in ("arc", "model") for path in (SOURCE / layer).glob("*.py"))


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
    there = {f"{path.parent.name}/{path.name}" for path in MODULES if path.name != "__init__.py"}
    assert there == USED_BY.keys()


@pytest.mark.parametrize("module", USED_BY)
def test_exactly_the_assets_that_use_a_module_change(module: str, package: Package) -> None:
    name = f"arc_pipeline.{module.removesuffix('.py').replace('/', '.')}"
    edited, before = versions(Edited(package, name, SOURCE / module)), versions(package)
    assert {asset for asset in before if edited[asset] != before[asset]} == set(USED_BY[module].split())


def test_pictures_change_nothing(tmp_path: Path, package: Package) -> None:
    copy = tmp_path / "arc_pipeline"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (copy / "report").glob("*.py"):
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
