"""The text of each token of an example, for a person to look at. Knows ids and tokenizers, not how they are drawn."""

from typing import TYPE_CHECKING, Final

from arc_pipeline.arc.augmentation.recipes import Recipe
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.encoder import parse_encoder
from arc_pipeline.arc.prediction.questions import questions
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.model.weights.tokenization import EncodedExample, decode_ids, encode_example, load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# some tokenizers write a token differently at the beginning of a text, and split characters over a few tokens
CONTEXT: Final = 6


def pieces_of(experiment: Experiment, recipe: Recipe, task: Task) -> list[tuple[str, bool]]:
    """The pieces of the example that a recipe renders to, as the experiment's model is trained on it."""
    tokenizer = load_tokenizer(experiment.model, experiment)
    prompt = recipe.render(task, parse_encoder(experiment.grid_encoder))
    return pieces(tokenizer, encode_example(tokenizer, prompt, experiment.supervise))


def asked_pieces(experiment: Experiment, dataset: str, task: Task) -> list[tuple[str, bool]]:
    """The pieces of the first prompt that the experiment asks of a task, with the right answer."""
    nothing: dict[str, list[Task]] = {name: [] for name in experiment.predict.datasets}
    asked = next(questions(experiment, nothing | {dataset: [task]}))
    return pieces_of(experiment, asked.recipe, task)


def pieces(tokenizer: "PreTrainedTokenizerBase", example: EncodedExample) -> list[tuple[str, bool]]:
    """(text, whether it carries loss) of each token; the texts joined are what the ids decode to."""
    ids, found = example.input_ids, []
    for place, supervised in enumerate(example.supervised):
        before = ids[max(0, place - CONTEXT) : place]
        known = decode_ids(tokenizer, before)
        found.append((decode_ids(tokenizer, [*before, ids[place]])[len(known) :], supervised))
    return found
