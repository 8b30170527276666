"""Models from their sources: the tiny one built here, all others loaded. Knows nothing of examples or training."""

import hashlib
import json
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arc_pipeline.model.weights.small_vocabulary import keep_rows, rows_of
from arc_pipeline.model.weights.source import TINY, ModelSource
from arc_pipeline.model.weights.tokenization import load_tokenizer, saved_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from arc_pipeline.arc.experiment import Experiment, Tuning

# about 1 M parameters; grids of 8 k tokens fit
TINY_CONFIG = {
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
    "use_sliding_window": False,
}
LORA_TARGETS = "all-linear"
_QWEN2_05B = {
    "vocab_size": 151_936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "max_position_embeddings": 131_072,
    "tie_word_embeddings": True,
}
# models whose weights may not be on this machine: enough to count what they cost, not to run them
KNOWN_ARCHITECTURES: "dict[str, dict[str, Any]]" = dict.fromkeys(
    ("Qwen/Qwen2-0.5B", "Qwen/Qwen2-0.5B-Instruct"), _QWEN2_05B
)


def initial_version(model: str, seed: int) -> str:
    """The version of an experiment's starting weights."""
    if model != TINY:
        return ModelSource.find(model).version()
    return hashlib.sha256(json.dumps([TINY_CONFIG, seed], sort_keys=True).encode()).hexdigest()


def load_start(start: str, experiment: "Experiment") -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """(model, tokenizer) that an experiment begins with, with as many tokens as it wants."""
    tokenizer = load_tokenizer(start, experiment)
    model = load_model(start, experiment.seed, len(tokenizer))
    if start != TINY and experiment.vocabulary == "used":
        keep_rows(model, rows_of(tokenizer, load_tokenizer(start)), tokenizer)
    return model, tokenizer


def load_model(model: str, seed: int, vocabulary_size: int) -> "PreTrainedModel":
    """Starting weights in float32: `tiny` is initialized from the seed, all others are loaded."""
    if model == TINY:
        return random_model(TINY_CONFIG, vocabulary_size, seed)
    from transformers import AutoModelForCausalLM, GgufConfig

    source = ModelSource.find(model)
    # weights that stay in a file's blocks could neither be trained nor saved
    plain = {"quantization_config": GgufConfig(dequantize=True)} if "gguf_file" in source.arguments else {}
    with source.readable():
        return AutoModelForCausalLM.from_pretrained(source.location, dtype="float32", **source.arguments, **plain)


def random_model(architecture: "Mapping[str, Any]", vocabulary_size: int, seed: int) -> "PreTrainedModel":
    """A Qwen2 of an architecture, its weights drawn by a seed; leaves the global random state alone."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Qwen2ForCausalLM(Qwen2Config(vocab_size=vocabulary_size, bos_token_id=None, **architecture))


def hollow_model(model: str, vocabulary_size: int | None = None) -> "PreTrainedModel":
    """The model of a known architecture without any weights: its parameters have sizes and no content."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    resized = {"vocab_size": vocabulary_size} if vocabulary_size else {}
    with torch.device("meta"):
        return Qwen2ForCausalLM(Qwen2Config(**KNOWN_ARCHITECTURES[model] | resized))


def with_adapter(model: "PreTrainedModel", tuning: "Tuning", seed: int) -> "PeftModel":
    """The model with a low-rank adapter on every linear layer, alpha = 2 x rank."""
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=tuning.rank,
        lora_alpha=2 * tuning.rank,
        lora_dropout=tuning.dropout,
        use_rslora=tuning.rslora,
        use_dora=tuning.dora,
        target_modules=LORA_TARGETS,
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]), renamed_unmentioned():
        torch.manual_seed(seed)
        return get_peft_model(model, config)


@contextmanager
def renamed_unmentioned() -> "Iterator[None]":
    """Silent about what peft asks for and transformers has renamed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        yield


def answering_dtype(precision: str) -> str:
    """What answers are computed in: bfloat16 on a GPU, unless the experiment has fp32; float32 elsewhere."""
    import torch

    return "bfloat16" if torch.cuda.is_available() and precision != "fp32" else "float32"


def load_checkpoint(
    directory: Path, adapter: Path | None = None, precision: str = "auto"
) -> tuple["PreTrainedModel", Any]:
    """(model in evaluation mode, tokenizer) of a checkpoint directory, on the GPU if there is one.
    With the directory of an `adapter`, that is merged into the weights.

    The model's own sampling defaults, such as a repetition penalty, are dropped: they would distort every answer.
    """
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    device, dtype = "cuda" if torch.cuda.is_available() else "cpu", answering_dtype(precision)
    model = AutoModelForCausalLM.from_pretrained(str(directory), dtype=dtype).to(device)
    if adapter:
        from peft import PeftModel

        with renamed_unmentioned():
            model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    model.generation_config = GenerationConfig()
    return model.eval(), saved_tokenizer(directory)
