"""Chat templates: what stands around a prompt, so that the answer is the assistant's turn. Knows no prompts.

A prompt is put into the template verbatim: given to it, some templates would strip the line break at its end.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from arc_pipeline.errors import ArcPipelineError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROMPT, ANSWER = "⟦prompt⟧", "⟦answer⟧"
# some templates name the date, which would give other tokens every day
SAME_DATE = "{% macro strftime_now(format) %}26 Jul 2024{% endmacro %}"


@dataclass(frozen=True)
class ChatFrame:
    """The text `before` a prompt, `after` it up to the answer, and at the `end` of the answer's turn."""

    before: str = ""
    after: str = ""
    end: str = ""

    def around(self, prompt: str) -> str:
        """The text that a model is to continue with its answer."""
        return self.before + prompt + self.after


def chat_frame(tokenizer: "PreTrainedTokenizerBase") -> ChatFrame:
    """The frame of a tokenizer's chat template; an empty one if it has none."""
    if not tokenizer.chat_template:
        return ChatFrame()
    return _frame(tokenizer, SAME_DATE + tokenizer.get_chat_template())


@lru_cache(maxsize=8)
def _frame(tokenizer: "PreTrainedTokenizerBase", template: str) -> ChatFrame:
    question = [{"role": "user", "content": PROMPT}]
    dialogue = [*question, {"role": "assistant", "content": ANSWER}]
    rendered = [_render(tokenizer, template, question, True), _render(tokenizer, template, dialogue, False)]
    if (rendered[0].count(PROMPT), rendered[1].count(ANSWER)) != (1, 1):
        raise ArcPipelineError("the model's chat template does not repeat its messages verbatim; set chat: off")
    before, _, after = rendered[0].partition(PROMPT)
    return ChatFrame(before, after, rendered[1].partition(ANSWER)[2])


def _render(tokenizer: "PreTrainedTokenizerBase", template: str, messages: list[dict[str, str]], ask: bool) -> str:
    from jinja2 import TemplateError

    try:
        text: str = tokenizer.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=ask
        )
    except (TemplateError, ValueError) as error:
        raise ArcPipelineError(f"the model's chat template cannot be used ({error}); set chat: off") from error
    return text


def end_of_turn(tokenizer: "PreTrainedTokenizerBase") -> str | None:
    """The special token with which the template ends an answer, None if it has no such token."""
    ids = tokenizer(chat_frame(tokenizer).end, add_special_tokens=False)["input_ids"]
    token = tokenizer.added_tokens_decoder.get(ids[0]) if ids else None
    return str(token) if token else None
