"""An edit in a module changes the code version of exactly the assets that use what was edited."""

import ast
import re
import shutil
from pathlib import Path

import pytest

import arc_pipeline
from arc_pipeline.definitions import STAGES  # noqa: F401  (declares all assets)
from arc_pipeline.defs.declare import ENTRIES, asset_code
from arc_pipeline.store.code_version import Module, Package, code_of
from arc_pipeline.store.normal_form import defined_names

SOURCE = Path(arc_pipeline.__file__).parent
# module: the assets that change when each of its functions does. Roots and configurations are known by
# their content; the hash of tokens stands for rendering in `checkpoint`; "ten shortest tasks" counts tokens of prompts
ASKED = "attempts breakdown contamination failures metrics predictions prompt_samples"
READERS = f"{ASKED} augmented_examples tasks"
EXAMPLES = "augmented_examples"
CURVES = "prediction_curve training_curve"
SCORES = "scores solution_scores"
SOLVED = "breakdown failures metrics solution_scores"
PROMPTS = f"predictions prompt_samples training_curve {SCORES}"
TABLES = "duration_table results_table temperature_table"
USED_BY = {
    "arc/augmentation/augmentation.py": f"augmented_examples contamination {PROMPTS}",
    "arc/augmentation/batch_draws.py": "augmented_examples",
    "arc/augmentation/checks.py": "augmented_examples",
    "arc/augmentation/contamination.py": "contamination",
    "arc/augmentation/exposure.py": "augmented_examples",
    "arc/augmentation/random_streams.py": "augmented_examples",
    "arc/augmentation/recipes.py": f"checkpoint contamination {EXAMPLES} {PROMPTS}",
    "arc/augmentation/test_time.py": "augmented_examples contamination",
    "arc/augmentation/verdict.py": "augmented_examples",
    "arc/evaluation/bootstrap.py": f"breakdown metrics prediction_curve training_curve {TABLES}",
    "arc/evaluation/breakdown.py": "breakdown",
    "arc/evaluation/comparison.py": TABLES,
    "arc/evaluation/diff.py": "",
    "arc/evaluation/failures.py": "failures",
    "arc/evaluation/metric_tables.py": "failures metrics prediction_curve training_curve solution_scores",
    "arc/evaluation/metrics.py": f"failures metrics training_curve {TABLES}",
    "arc/evaluation/prediction_curve.py": "prediction_curve",
    "arc/evaluation/results.py": f"experiment_summary {TABLES}",
    "arc/evaluation/score.py": "",
    "arc/evaluation/selection.py": f"attempts failures prediction_curve {SCORES}",
    "arc/evaluation/voting.py": "attempts breakdown failures metrics prediction_curve training_curve scores",
    "arc/experiment.py": "",
    "arc/names.py": "arc_source tasks",
    "arc/experiment_docs.py": "",
    "arc/new_experiment.py": "",
    "arc/prediction/candidates.py": "predictions training_curve",
    "arc/prediction/completions.py": f"predictions training_curve {SCORES}",
    "arc/prediction/drafts.py": "predictions training_curve",
    "arc/prediction/grammar.py": "predictions training_curve",
    "arc/prediction/prompt_samples.py": "prompt_samples",
    "arc/prediction/requests.py": "predictions training_curve",
    "arc/prediction/templates.py": "predictions training_curve",
    "arc/prediction/views.py": SCORES,
    "arc/renaming.py": "",
    "arc/rendering/encoder.py": f"arc_source augmented_examples tasks {PROMPTS}",
    "arc/rendering/prompt.py": f"arc_source augmented_examples tasks {PROMPTS}",
    "arc/rendering/vocabulary.py": "arc_source tasks",
    "arc/settings.py": "",
    "arc/tasks/catalogue.py": "arc_source tasks",
    "arc/tasks/derivations.py": "arc_source tasks",
    "arc/tasks/documents.py": "arc_source tasks",
    "arc/tasks/grid_arrays.py": "augmented_examples",
    "arc/tasks/files.py": "arc_source tasks",
    "arc/tasks/identity.py": "arc_source tasks",
    "arc/tasks/packed_task.py": "arc_source augmented_examples contamination tasks",
    "arc/tasks/reading.py": "arc_source tasks",
    "arc/tasks/solutions.py": f"{EXAMPLES} contamination {SOLVED} prompt_samples {CURVES}",
    "arc/tasks/sources.py": "arc_source tasks",
    "arc/tasks/task.py": f"arc_source {READERS} {CURVES} {SCORES}",
    "arc/tasks/task_table.py": f"{READERS} {CURVES} {SCORES}",
    "arc/training/validation.py": "checkpoint",
    "errors.py": "arc_source attempts metrics tasks training_curve results_table",
    "machine/accelerator.py": "",
    "machine/durations.py": "",
    "machine/interrupt.py": "",
    "machine/memory.py": "",
    "machine/process.py": "",
    "machine/time_zone.py": "",
    "model/devices.py": "",
    "model/examples/drawing.py": "augmented_examples",
    "model/examples/grid_codes.py": "augmented_examples",
    "model/examples/measuring.py": "augmented_examples",
    "model/examples/parts.py": "augmented_examples",
    "model/examples/plan.py": "augmented_examples",
    "model/examples/processes.py": "",
    "model/prediction/candidates.py": "predictions training_curve",
    "model/prediction/complete.py": "predictions training_curve",
    "model/prediction/constraints.py": "predictions training_curve",
    "model/prediction/decode_state.py": "predictions training_curve",
    "model/prediction/engine.py": "predictions training_curve",
    "model/prediction/hf_generate.py": "predictions training_curve",
    "model/prediction/interface.py": "predictions training_curve",
    "model/prediction/likelihood.py": SCORES,
    "model/prediction/sampling.py": "predictions training_curve",
    "model/prediction/schedule.py": "predictions training_curve",
    "model/prediction/scoring.py": SCORES,
    "model/prediction/shared_prefix.py": f"predictions training_curve {SCORES}",
    "model/prediction/token_texts.py": "",
    "model/training/attention.py": f"checkpoint predictions training_curve {SCORES}",
    "model/training/batching.py": "checkpoint",
    "model/training/callbacks.py": "checkpoint",
    "model/training/dataset.py": "checkpoint",
    "model/training/head_loss.py": "checkpoint",
    "model/training/job.py": "",
    "model/training/on_node.py": "",
    "model/training/program.py": "checkpoint",
    "model/training/states.py": "checkpoint",
    "model/training/task_adapters.py": "checkpoint",
    "model/training/throughput.py": "",
    "model/training/trackers.py": "",
    "model/training/trainer.py": "checkpoint",
    "model/weights/chat.py": f"augmented_examples checkpoint predictions training_curve {SCORES}",
    "model/weights/checkpoint.py": f"checkpoint predictions training_curve {SCORES}",
    "model/weights/exporting.py": "",
    "model/weights/loading.py": f"checkpoint predictions training_curve {SCORES}",
    "model/weights/plain_files.py": "",
    "model/weights/small_vocabulary.py": "augmented_examples checkpoint",
    "model/weights/source.py": "augmented_examples checkpoint",
    "model/weights/tokenization.py": f"augmented_examples checkpoint predictions training_curve {SCORES}",
    "model/weights/writable.py": "",
    "store/artefact.py": "",
    "store/carrying.py": "",
    "store/code_cache.py": "",
    "store/code_migration.py": "",
    "store/code_version.py": "",
    "store/differences.py": "",
    "store/environment.py": "",
    "store/lineage.py": "",
    "store/normal_form.py": "",
    "store/pruning.py": "",
    "store/records.py": "",
    "store/store.py": "",
    "store/tables.py": f"{ASKED} evaluation_tasks experiment_summary {CURVES} {TABLES} {SCORES}",
    "store/trace.py": "",
    "store/verification.py": "",
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


# what else stands at the top of modules: calls before slow imports
ALSO_AT_TOP = {
    "arc/experiment_docs.py",
    "model/__init__.py",
    "model/examples/processes.py",
    "model/training/program.py",
    "model/training/on_node.py",
    "defs/assets/__init__.py",
}


def test_code_versions_see_all_that_modules_do() -> None:
    """Functions, classes and assignments are seen, marks are read; a call that fills a registry would not be."""
    seen = (ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom)
    unseen = {
        f"{path.relative_to(SOURCE).as_posix()}: {ast.unparse(statement)}"
        for path in [*MODULES, *(SOURCE / "defs" / "assets").glob("*.py")]
        for statement in ast.parse(path.read_text()).body
        if not isinstance(statement, seen)
        if not ast.unparse(statement).startswith(("uncounted(", "if TYPE_CHECKING:"))
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    }
    assert {words for words in unseen if words.partition(":")[0] not in ALSO_AT_TOP} == set()


def test_every_module_is_in_the_table() -> None:
    there = {path.relative_to(SOURCE).as_posix() for path in MODULES if path.name != "__init__.py"}
    assert there == USED_BY.keys()


@pytest.mark.parametrize("module", USED_BY)
def test_exactly_the_assets_that_use_a_module_change(module: str, package: Package) -> None:
    name = f"arc_pipeline.{module.removesuffix('.py').replace('/', '.')}"
    edited, before = versions(Edited(package, name, SOURCE / module)), versions(package)
    assert {asset for asset in before if edited[asset] != before[asset]} == set(USED_BY[module].split())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package's files, to be edited."""
    return shutil.copytree(SOURCE, tmp_path / "arc_pipeline", ignore=shutil.ignore_patterns("__pycache__"))


def private_functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """Those of a module, its methods left out."""
    return [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name.startswith("_")]


def test_renaming_every_private_function_changes_nothing(copy: Path, package: Package) -> None:
    names = 0
    for path in copy.rglob("*.py"):
        text = path.read_text()
        for function in private_functions(ast.parse(text)):
            text, count = re.subn(rf"(?<![.\w]){function.name}\b(?!=)", f"_other_name_of{function.name}", text)
            names += count
        path.write_text(text)
    assert names > 500
    assert versions(Package(copy)) == versions(package)


def test_moving_folders_changes_nothing(copy: Path, package: Package) -> None:
    folders = ("arc.evaluation", "arc.prediction", "model.weights", "store")
    for folder in folders:
        place = copy.joinpath(*folder.split("."))
        place.rename(place.with_name("elsewhere_" + place.name))
    for path in copy.rglob("*.py"):
        text = path.read_text()
        for folder in folders:
            *around, last = ["arc_pipeline", *folder.split(".")]
            text = re.sub(
                rf"\b{re.escape('.'.join([*around, last]))}\b", ".".join([*around, f"elsewhere_{last}"]), text
            )
        path.write_text(text)
    assert versions(Package(copy)) == versions(package)


def test_splitting_every_file_changes_nothing(copy: Path, package: Package) -> None:
    """The private functions of each module go to a file of their own. Code is only read, so a circle does no harm."""
    for path in [path for folder in ("arc", "model", "store") for path in (copy / folder).rglob("*.py")]:
        tree = ast.parse(path.read_text())
        if functions := private_functions(tree):
            module = ".".join(["arc_pipeline", *path.relative_to(copy).with_suffix("").parts])
            imports = [each for each in tree.body if not {*defined_names(each)}]
            own = sorted(
                {name for each in tree.body for name in defined_names(each)} - {each.name for each in functions}
            )
            source = f"from {module} import {', '.join(own)}"
            inner = [*map(ast.unparse, imports), *([source] if own else []), *map(ast.unparse, functions)]
            path.with_name(f"{path.stem}_inner.py").write_text("\n".join(inner))
            names = ", ".join(each.name for each in functions)
            rest = [ast.unparse(each) for each in tree.body if each not in functions]
            path.write_text("\n".join([f"from {module}_inner import {names}", *rest]))
    assert len([*copy.rglob("*_inner.py")]) > 30
    assert versions(Package(copy)) == versions(package)


def test_pictures_change_nothing(copy: Path, package: Package) -> None:
    for path in (copy / "report").rglob("*.py"):
        path.write_text(path.read_text() + "\n\ndef markdown(*_): return ''\n\n\nSHEETS = {}\n")
    assert versions(Package(copy)) == versions(package)


def test_comments_and_docstrings_change_nothing(copy: Path, package: Package) -> None:
    for path in copy.rglob("*.py"):
        # parsing and printing drops comments and formatting
        path.write_text("# a comment\n" + ast.unparse(ast.parse(path.read_text())))
    assert versions(Package(copy)) == versions(package)
    assert {asset: code.version for asset in ENTRIES if (code := asset_code(asset))} == versions(package)
