"""What others read of a checkpoint's directory: plain transformers (5 and 4.57), peft, vLLM. Changes no weight.

A model that was loaded, trained and saved has files that say less than the training knows: no end token or that of the
base model, a tokenizer's class that older versions refuse, rope parameters under a name that they ignore.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arc_pipeline.arc.rendering.encoder import GridEncoder, parse_encoder
from arc_pipeline.model.weights.checkpoint import ADAPTER, MILESTONES, task_adapters
from arc_pipeline.model.weights.small_vocabulary import sample_texts
from arc_pipeline.model.weights.source import TINY
from arc_pipeline.model.weights.tokenization import encode_text, save_tokenizer, saved_tokenizer
from arc_pipeline.store.tables import write_whole
from arc_pipeline.uncounted import uncounted

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from arc_pipeline.arc.experiment import Experiment

uncounted("files for others; neither a training nor an answer depends on them")

CONFIG, GENERATION, TOKENIZER, TOKENIZER_CONFIG = (
    f"{name}.json" for name in ("config", "generation_config", "tokenizer", "tokenizer_config")
)
README, BASE = "README.md", "base"
# transformers 4 and 5 read the file tokenizer.json by this class; 4 knows no name that 5 writes
GENERAL_CLASS = "PreTrainedTokenizerFast"
SPECIAL_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")


def complete_checkpoint(directory: Path, experiment: "Experiment", start: str) -> list[str]:
    """Makes a new checkpoint and the weights it kept at steps right for others, and writes what they must know beside
    it; returns what cannot be made right. `start` is what the training began with."""
    encoder = parse_encoder(experiment.grid_encoder)
    places = [directory, *sorted(directory.glob(f"{MILESTONES}/*"))]
    problems = [complete(place, encoder) for place in places if (place / CONFIG).is_file()]
    if not problems:
        return []
    (directory / ADAPTER / README).unlink(missing_ok=True)  # peft's, with nothing filled in
    if (directory / ADAPTER).is_dir() and start == TINY:
        write_tiny_base(directory / BASE, experiment)
        set_fields(directory / ADAPTER / "adapter_config.json", base_model_name_or_path=os.path.join("..", BASE))
    for adapter in task_adapters(directory).values():
        # the weights that all of them start from are those of the checkpoint
        set_fields(adapter / "adapter_config.json", base_model_name_or_path=os.path.relpath(directory, adapter))
    found = list(dict.fromkeys(problem for problem in problems if problem))
    write_whole(described(directory, experiment, start, found).encode(), directory / README)
    return found


def complete(directory: Path, encoder: GridEncoder) -> str:
    """Makes one saved model with its tokenizer right for others; says what they must know if `AutoTokenizer` gives
    other ids than the training had."""
    tokenizer = saved_tokenizer(directory)
    set_model_fields(directory, tokenizer)
    save_tokenizer(tokenizer, directory)
    set_tokenizer_fields(directory / TOKENIZER_CONFIG)
    texts = [*sample_texts(tokenizer, encoder)]
    ids = [encode_text(tokenizer, text) for text in texts]
    if auto_ids(directory, texts) != ids:
        usual = (directory / TOKENIZER).read_bytes()
        add_all_tokens(directory / TOKENIZER)
        again = saved_tokenizer(directory)
        if auto_ids(directory, texts) != ids or [encode_text(again, text) for text in texts] != ids:
            write_whole(usual, directory / TOKENIZER)
            return (
                "AutoTokenizer gives other ids than this model was trained with, for it splits text by the rules of "
                f"the model's type. Load the tokenizer with transformers.{GENERAL_CLASS}.from_pretrained(DIRECTORY)"
            )
    return ""


def auto_ids(directory: Path, texts: Sequence[str]) -> list[list[int]]:
    """The ids of texts as someone gets them who knows nothing of this package."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(directory))
    return [encode_text(tokenizer, text) for text in texts]


def set_model_fields(directory: Path, tokenizer: "PreTrainedTokenizerBase") -> None:
    """Names the end and the padding that were trained, and nothing of how the base model used to be sampled."""
    config = json.loads((directory / CONFIG).read_text())
    special: dict[str, Any] = {"bos_token_id": config.get("bos_token_id")}
    special |= {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    set_fields(directory / CONFIG, **special, **former_rope(config), use_cache=True)
    kept = {"transformers_version": config.get("transformers_version")}
    generation = {name: value for name, value in (special | kept).items() if value is not None}
    write_json(generation | {"do_sample": False}, directory / GENERATION)


def former_rope(config: dict[str, Any]) -> dict[str, Any]:
    """Rope parameters under the names that transformers 4 reads; it would take 10,000 for all that it does not find."""
    rope = config.get("rope_parameters")
    if not isinstance(rope, dict) or "rope_theta" not in rope:
        return {}  # another kind of model, or one with several ropes
    scaling = {name: value for name, value in rope.items() if name != "rope_theta"}
    usual = scaling.get("rope_type", "default") == "default"
    return {"rope_theta": rope["rope_theta"]} | ({} if usual else {"rope_scaling": scaling})


def set_tokenizer_fields(path: Path) -> None:
    """Names a class that all versions know, and drops where the tokenizer was read from."""
    fields = json.loads(path.read_text())
    for name in ("backend", "is_local", "local_files_only"):
        fields.pop(name, None)
    # the class would give token types, which few causal models take
    fields |= {"tokenizer_class": GENERAL_CLASS, "model_input_names": ["input_ids", "attention_mask"]}
    if isinstance(more := fields.get("extra_special_tokens"), list):
        # a list under this name is an error in transformers 4
        fields["additional_special_tokens"] = more
        del fields["extra_special_tokens"]
    write_json(fields, path)


def add_all_tokens(path: Path) -> None:
    """Describes a tokenizer of whole words as one of added tokens, which no class splits by rules of its own."""
    described = json.loads(path.read_text())
    vocabulary = described["model"].get("vocab")
    if described["model"]["type"] != "WordLevel" or not isinstance(vocabulary, dict):
        return
    special = {token["content"] for token in described["added_tokens"] if token["special"]}
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    ordered = sorted(vocabulary.items(), key=lambda item: item[1])
    described["added_tokens"] = [
        {"id": token_id, "content": token, **plain, "special": token in special} for token, token_id in ordered
    ]
    # in the order in which tokenizers write the fields of a model
    described["model"] = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "",
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": vocabulary,
        "merges": [],
    }
    described["pre_tokenizer"] = None
    write_json(described, path)


def write_tiny_base(directory: Path, experiment: "Experiment") -> None:
    """The weights that an adapter of the tiny model stands on: they are drawn, and are in no other place."""
    from transformers.utils.logging import disable_progress_bar

    from arc_pipeline.model.weights.loading import load_start

    disable_progress_bar()
    model, tokenizer = load_start(TINY, experiment)
    model.save_pretrained(str(directory))
    save_tokenizer(tokenizer, directory)
    complete(directory, parse_encoder(experiment.grid_encoder))


def described(directory: Path, experiment: "Experiment", start: str, problems: Sequence[str]) -> str:
    """What someone must know who finds the directory."""
    tokenizer = saved_tokenizer(directory)
    lines = [
        f"# {experiment.name}",
        "",
        f"Weights, tokenizer and training log of the experiment {experiment.name}.",
        "",
    ]
    lines += [f"**Mind this:** {problem}.\n" for problem in problems]
    lines += [f"- An answer ends with `{tokenizer.eos_token}` (id {tokenizer.eos_token_id}), as config.json says"]
    began = f"the checkpoint of {experiment.initial_checkpoint}" if experiment.initial_checkpoint else f"`{start}`"
    if (directory / ADAPTER).is_dir():
        where = f"the directory `{BASE}`" if start == TINY else f"{began} (`{start}`)"
        lines += [
            f"- `model.safetensors` has the adapter merged into it. The adapter alone is in `{ADAPTER}`; it stands on "
            f"{where}, not on the merged weights"
        ]
    if task_adapters(directory):
        lines += [
            f"- Each adapter in `tasks/DATASET/TASK` stands on `model.safetensors` of this directory, which are the "
            f"weights of {began}; paths in adapter_config.json count from the adapter's directory"
        ]
    lines += [
        f"- `arc-pipeline export {experiment.name} DIRECTORY` copies it with its metrics and how to prompt it",
        "",
    ]
    return "\n".join(lines)


def set_fields(path: Path, **fields: Any) -> None:
    """Changes fields of a JSON object in a file."""
    write_json(json.loads(path.read_text()) | fields, path)


def write_json(document: object, path: Path) -> None:
    """A JSON file, as the libraries write theirs."""
    write_whole((json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode(), path)
