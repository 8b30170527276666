"""The text of each token of an example, for a person to look at. Knows ids and tokenizers, not how they are drawn."""

from typing import TYPE_CHECKING, Final

from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.prediction.requests import candidate_requests
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.tasks.solutions import blanked
from arc_pipeline.arc.tasks.task import Task
from arc_pipeline.model.weights.tokenization import EncodedExample, decode_ids, encode_example, load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# some tokenizers write a token differently at the beginning of a text, and split characters over a few tokens
CONTEXT: Final = 6


def first_prompt_texts(experiment: Experiment, dataset: str, task: Task) -> list[tuple[str, bool]]:
    """The token texts of the first prompt that an experiment has for a task, with the right answer, as in training."""
    tokenizer, others = load_tokenizer(experiment.model, experiment), dict.fromkeys(experiment.predict.datasets, ())
    request = next(candidate_requests(experiment, others | {dataset: [task]}))
    prompt = request.recipe.render(blanked(task), parse_encoder(experiment.grid_encoder))
    return token_texts(tokenizer, encode_example(tokenizer, prompt, experiment.supervise))


def token_texts(tokenizer: "PreTrainedTokenizerBase", example: EncodedExample) -> list[tuple[str, bool]]:
    """(text, whether it carries loss) of each token; the texts joined are what the ids decode to."""
    ids, texts = example.input_ids, []
    for place, supervised in enumerate(example.supervised):
        before = ids[max(0, place - CONTEXT) : place]
        known = decode_ids(tokenizer, before)
        texts.append((decode_ids(tokenizer, [*before, ids[place]])[len(known) :], supervised))
    return texts
