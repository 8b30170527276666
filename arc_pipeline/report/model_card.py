"""The README of an exported model, in the form that model hubs read: what it is, how good, made of what, how to prompt.

Knows nothing of weights: who wrote them says how an answer ends.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from arc_pipeline.arc.evaluation.results import frame_of, greedy, stored_results
from arc_pipeline.arc.experiment import Experiment
from arc_pipeline.arc.rendering.encoder import parse_encoder
from arc_pipeline.arc.rendering.prompt import PROMPTS
from arc_pipeline.arc.tasks.task import Pair
from arc_pipeline.errors import MissingArtefact
from arc_pipeline.report.tables import decoding_sheets, markdown
from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.store import Store
from arc_pipeline.store.trace import chain_lines, lineage_chain

if TYPE_CHECKING:
    from pandas import DataFrame

# rotates a grid of two colours by half a turn
SHOWN = [
    Pair(((0, 3), (0, 0)), ((0, 0), (3, 0))),
    Pair(((0, 0, 5),), ((5, 0, 0),)),
]
QUESTION = Pair(((7, 0), (0, 0), (0, 0)), ((0, 0), (0, 0), (0, 7)))
METRICS_IN_HEADER = ("accuracy", "vote_2")


def example_prompt(experiment: Experiment) -> tuple[str, str]:
    """(prompt, answer) of a small made-up task, as the experiment writes them."""
    prompt = PROMPTS[experiment.predict.prompt](SHOWN, QUESTION, parse_encoder(experiment.grid_encoder))
    return prompt.text, prompt.answer


@dataclass(frozen=True)
class Handed:
    """What was written for others: how an answer ends, whether it is an adapter alone, and what users must be told
    first; under which licence, and why numbers do not hold any more, if that is so."""

    end: str
    end_id: int
    adapter: bool
    mind: Sequence[str]
    licence: str
    stale: Sequence[str]


def model_card(store: Store, experiment: Experiment, handed: Handed) -> str:
    """The text of the card."""
    results, why_none = _results(store, experiment.name)
    header = {
        "license": handed.licence,
        "library_name": "peft" if handed.adapter else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["arc", "abstraction-and-reasoning-corpus", "arc_pipeline"],
        **({"base_model": experiment.model} if "/" in experiment.model else {}),
        **({} if results is None else {"model-index": [_index(experiment.name, results)]}),
    }
    prompt, answer = example_prompt(experiment)
    warnings = [f"> **Mind this:** {words}\n" for words in handed.mind]
    began, trained_on = experiment.initial_checkpoint or experiment.model, ", ".join(experiment.datasets()["train"])
    return "\n".join(
        [
            f"---\n{yaml.safe_dump(header, sort_keys=False, allow_unicode=True)}---\n",
            f"# {experiment.name}\n",
            *warnings,
            f"A language model fine-tuned on tasks of the Abstraction and Reasoning Corpus ({trained_on}), "
            f"starting from {began}, for {experiment.max_steps} steps.\n",
            "## Results\n",
            why_none if results is None else _results_text(results, handed.stale),
            "## How to prompt it\n",
            "The prompt shows solved pairs and an input, and ends where the answer begins. The answer ends with "
            f"`{handed.end}` (token {handed.end_id}). Grids are written by `{experiment.grid_encoder}`.\n",
            "The line breaks at the beginning and end of the prompt belong to it; `apply_chat_template` keeps them. A "
            "made-up task, as JSON strings:\n",
            f"- prompt: `{json.dumps(prompt)}`",
            f"- answer: `{json.dumps(answer)}`\n",
            "```python\n" + _use(handed.adapter) + "```\n",
            "## Made of\n",
            "```\n" + "\n".join(chain_lines(lineage_chain(store, Artefact("checkpoint", experiment.name)))) + "\n```\n",
            "## Settings\n",
            "```yaml\n" + yaml.safe_dump(experiment.model_dump(exclude={"name"}), sort_keys=False) + "```\n",
        ]
    )


LOADED = "model = AutoModelForCausalLM.from_pretrained(DIRECTORY)"
ADAPTED = """# the directory `base` beside the adapter where there is one
base = AutoModelForCausalLM.from_pretrained(BASE)
model = PeftModel.from_pretrained(base, DIRECTORY)"""


def _use(adapter: bool) -> str:
    """How plain transformers answers with it."""
    peft = "from peft import PeftModel\n" if adapter else ""
    return f"""{peft}from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(DIRECTORY)
{ADAPTED if adapter else LOADED}
messages = [{{"role": "user", "content": PROMPT}}]
text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt")
ids = model.generate(**inputs, max_new_tokens=1200)[0, inputs["input_ids"].shape[1] :]
print(tokenizer.decode(ids, skip_special_tokens=True))
"""


def _results(store: Store, name: str) -> "tuple[DataFrame | None, str]":
    """(the rows of the table over all experiments that are this one's, or None and why there are none)."""
    try:
        frame = frame_of(stored_results(store))
    except MissingArtefact as error:
        return None, f"There are no results: {error}\n"
    rows = frame[frame["experiment"] == name]
    return (None, "It was not evaluated yet.\n") if rows.empty else (rows.assign(best=[()] * len(rows)), "")


def _results_text(rows: "DataFrame", stale: Sequence[str]) -> str:
    seen = sorted({value for value in rows.get("contamination", []) if value})
    words = [f"These numbers are stale: {'; '.join(stale)}.\n"] if stale else []
    words += [f"Tasks of the evaluation: {', '.join(seen)}.\n"] if seen else []
    return "\n".join([*words, markdown(decoding_sheets(rows)), ""])


def _index(name: str, results: "DataFrame") -> dict[str, Any]:
    """Metrics where hubs look for them, of greedy decoding on each dataset."""
    return {
        "name": name,
        "results": [
            {
                "task": {"type": "text-generation"},
                "dataset": {"name": row["dataset"], "type": row["dataset"]},
                "metrics": [
                    {"type": metric, "value": round(float(row[metric]), 4), "name": f"{metric} ({row['decoding']})"}
                    for metric in METRICS_IN_HEADER
                ],
            }
            for row in greedy(results).to_dict("records")
        ],
    }
