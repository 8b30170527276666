"""A smaller vocabulary: the tokens that can occur in ARC prompts, and the rows of a model that they need.

Which those are is read off sample prompts, in the tokenizer's own spelling: their words, and all that is no letter.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from arc_pipeline.arc.rendering.encoder import GridEncoder, parse_encoder
from arc_pipeline.arc.rendering.prompt import PROMPTS
from arc_pipeline.arc.tasks.task import Pair
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.model.weights.chat import chat_frame

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# besides an experiment's own: with these, most experiments have the same tokens and can start from each other
USUAL_ENCODERS = (
    "GridShapeEncoder(RowNumberEncoder(MinimalGridEncoder()))",
    "GridCodeBlockEncoder(GridWithSeparationEncoder('|'))",
)
SAMPLE = Pair((tuple(range(10)),) * 2, ((0,),))
SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")


def cut_tokenizer(tokenizer: "PreTrainedTokenizerBase", encoder: GridEncoder) -> "PreTrainedTokenizerBase":
    """The same tokenizer with fewer tokens, in their order: ARC prompts have the same tokens as before, renumbered."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    texts = list(sample_texts(tokenizer, encoder))
    kept = used_ids(tokenizer, texts)
    described = renumbered(json.loads(tokenizer.backend_tokenizer.to_str()), kept)
    special = {name: getattr(tokenizer, name) for name in SPECIAL if getattr(tokenizer, name) is not None}
    cut = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(described)),
        chat_template=tokenizer.chat_template,
        clean_up_tokenization_spaces=False,
        **special,
    )
    if rows_of(cut, tokenizer) != kept or any(_tokens(cut, text) != _tokens(tokenizer, text) for text in texts):
        kind = described["model"]["type"]
        raise ArcPipelineError(f"this model's tokenizer ({kind}) cannot be reduced; set vocabulary: full")
    return cut


def sample_texts(tokenizer: "PreTrainedTokenizerBase", encoder: GridEncoder) -> Iterator[str]:
    """Prompts with their answers in which every word and character occurs that any prompt can have."""
    frame = chat_frame(tokenizer)
    for grid_encoder in (encoder, *map(parse_encoder, USUAL_ENCODERS)):
        for render in PROMPTS.values():
            prompt = render([SAMPLE, SAMPLE], SAMPLE, grid_encoder)
            yield frame.around(prompt.text) + prompt.answer + frame.end


def used_ids(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[int]:
    """The ids, ascending, of all tokens that lie in such texts, of special tokens, and of single bytes."""
    can_occur = occurs_in(tokenizer, texts)
    used = {token for text in texts for token in _ids(tokenizer, text)} | set(tokenizer.all_special_ids)
    parts = {index for token, index in tokenizer.get_vocab().items() if can_occur(token) or _is_byte(token)}
    return sorted(used | parts)


def occurs_in(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> Callable[[str], bool]:
    """Whether a token may be a part of the texts: whole words between other characters, cut off at the token's ends.

    A part of such a token is one again, so the merges that lead to it are kept as well.
    """
    others = {character for text in texts for character in text if not character.isalpha()}
    spelled = {letter for character in others for token in _tokens(tokenizer, character) for letter in token}
    gap = re.compile(f"[{re.escape(''.join(sorted(others | spelled)))}]+")
    words = {word for text in texts for word in gap.split("".join(_tokens(tokenizer, text)))}

    def occurs(token: str) -> bool:
        first, *middle = gap.split(token)
        if not middle:
            return any(first in word for word in words)
        last = middle.pop()
        ends = any(word.endswith(first) for word in words) and any(word.startswith(last) for word in words)
        return ends and words.issuperset(middle)

    return occurs


def _is_byte(token: str) -> bool:
    """Every text has ids as long as single bytes have."""
    return len(token) == 1 or re.fullmatch("<0x[0-9A-F]{2}>", token) is not None


def _ids(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _tokens(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[str]:
    return tokenizer.convert_ids_to_tokens(_ids(tokenizer, text))


def renumbered(described: dict[str, Any], kept: Sequence[int]) -> dict[str, Any]:
    """tokenizer.json with the kept tokens alone: their numbers are their places among them."""
    place = {old: new for new, old in enumerate(kept)}
    added = [token | {"id": place[token["id"]]} for token in described["added_tokens"] if token["id"] in place]
    model = dict(described["model"])
    if isinstance(model["vocab"], dict):
        model["vocab"] = {token: place[old] for token, old in model["vocab"].items() if old in place}
    else:
        model["vocab"] = [entry for old, entry in enumerate(model["vocab"]) if old in place]
        model["unk_id"] = place.get(model.get("unk_id"))
    if "merges" in model:
        model["merges"] = [pair for pair in model["merges"] if {*pair, "".join(pair)} <= model["vocab"].keys()]
    # special tokens of a post-processor are never used; it is kept for its offsets
    processor = described["post_processor"]
    keeps_offsets = processor is not None and processor["type"] == "ByteLevel"
    return described | {"added_tokens": added, "model": model, "post_processor": processor if keeps_offsets else None}


def rows_of(cut: "PreTrainedTokenizerBase", whole: "PreTrainedTokenizerBase") -> list[int]:
    """The id that each token of the cut tokenizer has in the whole one."""
    ids: list[int] = whole.convert_tokens_to_ids(cut.convert_ids_to_tokens(list(range(len(cut)))))
    return ids


def keep_rows(model: "PreTrainedModel", rows: Sequence[int], tokenizer: "PreTrainedTokenizerBase") -> None:
    """Leaves only these rows of the embedding and of the head; the model's special tokens become the tokenizer's."""
    import torch

    layers = [model.get_input_embeddings(), model.get_output_embeddings()]
    tensors = {id(tensor): tensor for layer in layers for tensor in (layer.weight, getattr(layer, "bias", None))}
    with torch.no_grad():
        for tensor in tensors.values():
            if tensor is not None:
                tensor[: len(rows)] = tensor[list(rows)].clone()
    model.resize_token_embeddings(len(rows), mean_resizing=False)
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        for config in (model.config, model.generation_config):
            setattr(config, name, getattr(tokenizer, name))
    if layers[0].padding_idx is not None:  # the row that an embedding does not train
        model.get_input_embeddings().padding_idx = tokenizer.pad_token_id
