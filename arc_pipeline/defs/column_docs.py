"""What the columns of all tables mean, for the UI. A name means the same in every table.

It is kept apart from the schemas, whose code makes data: better words make nothing stale.
"""

import dagster as dg
import pyarrow as pa

from arc_pipeline.arc.evaluation.metrics import METRICS, RANKED_METRICS

COLUMNS = {
    # what it is about
    "experiment": "Name of the experiment: its file without .yaml.",
    "dataset": "Name of the dataset that the task is from.",
    "task_id": "Name of the task in its dataset.",
    "split": "train or test: which of the task's pairs this is.",
    "pair_index": "Number of the pair within its split, from 0.",
    "test_index": "Number of the test pair within the task, from 0.",
    "decoding": "Way of decoding, as the partition is named: t0.1 samples at temperature 0.1.",
    "temperature": "Temperature of sampling; 0 is greedy.",
    "model": "Where the training started: tiny, a path, or a model's name.",
    "max_steps": "Steps of the training.",
    "tuning": "full, or lora.",
    "settings": "What was trained and how, but not for how long, as JSON: experiments of one series have the same.",
    "rank": "Rank of the LoRA adapters, or place of an attempt in the vote, from 1.",
    "label": "What of this dataset the experiment trains on as well; empty if nothing.",
    "trace": "The artefact and version that the row was computed from, for `arc-pipeline trace`.",
    # grids
    "input": "The pair's input grid: rows of colours 0-9.",
    "output": "The pair's output grid: rows of colours 0-9.",
    "input_rows": "Rows of the input grid.",
    "input_cols": "Columns of the input grid.",
    "output_rows": "Rows of the output grid.",
    "output_cols": "Columns of the output grid.",
    "grid": "The grid that was decoded, its augmentation undone; null if none could be.",
    # recipes
    "example": "Number of the training example: it belongs to step example / batch_size.",
    "attempt": "How many draws of this example were too long before this one.",
    "prompt": "Version of the prompt, or its text.",
    "transform": "One of the eight geometric transforms, applied to every grid of the example.",
    "colour_map": "The colour that each of 0-9 becomes.",
    "demonstrations": "The pairs that are shown, in this order: train pairs first, then test pairs.",
    "target": "The pair whose output is to be predicted, numbered as the demonstrations are.",
    "target_is_test": "Whether the target is a test pair.",
    "n_tokens": "Tokens of the whole example, of the completion, or of the answer under each view.",
    "token_hash": "Hash of the example's token ids; the training compares it with what it reads.",
    # contamination
    "trained_dataset": "The dataset whose training pair is the same up to augmentation.",
    "trained_task_id": "The task of that pair.",
    "trained_pair": "The number of that pair, train pairs first.",
    "trained_is_test": "Whether that pair is a test pair of its task.",
    "gains": "What test-time training gained on the checkpoint that it began with, a text a metric.",
    "exactly": "Whether it is the same as it stands; else up to a transform and a permutation of the colours.",
    "match": "How the task is related to one that was trained on: same task, demonstrations, test input, or only id.",
    "contamination": "Whether the experiment was trained on this dataset, saw its demonstrations, or did neither.",
    "problem": "What is wrong with the pair that was left out.",
    "file": "The file that the pair is in.",
    "place": "Its task and pair.",
    "value": "What was found there.",
    # candidates and votes
    "candidate_index": "Number of the candidate of its test pair, from 0.",
    "seed": "Seed of the candidate's sampling.",
    "completion": "What the model wrote.",
    "outcome": "decoded, or why the completion is no grid.",
    "logprob": "Log-probability of the completion, all tokens together, in nats.",
    "token_logprobs": "Log-probability of each of its tokens, in nats; 0 where the encoding leaves no choice.",
    "votes": "How many candidates are this grid.",
    "mean_logprob": "Log-probability per token, averaged over those candidates, in nats.",
    "first_candidate_index": "The first candidate that is this grid.",
    "score": "Sum over the views of the grid's log-probability: the logarithm of their product, in nats.",
    "score_rank": "Place of the grid by its score.",
    "both_rank": "Place of the grid by log(votes) + its mean log-probability over the views.",
    # scores
    "logprobs": "Log-probability of the grid as the answer under each view, end token included, in nats.",
    "logprob_sum": "Their sum over the views: of the product of probabilities (product of experts).",
    "logprob_mean": "Logarithm of the mean probability over the views.",
    "logprob_min": "The least of them.",
    "truth": "The right answer, written as the model should.",
    # failures
    "reason": "The first thing that went wrong, or solved.",
    "wrong_cells": "Wrong cells of the best-ranked grid of the right size, where that is the reason.",
    "votes_of_top": "Votes of the best-ranked grid.",
    "rank_of_truth": "Place of the right grid in the vote; null if no candidate is right.",
    "n_decoded": "Candidates that were decoded.",
    "score_rank_of_truth": "Place of the right grid by its score, of scored candidates; null if no candidate is right.",
    "both_rank_of_truth": "Place of the right grid by votes and score together.",
    "top_score": "The highest score of a candidate.",
    "score_of_truth": "Score of the right grid, found or not.",
    "logprobs_of_truth": "Log-probability of the right grid under each view, in nats.",
    # counts and metrics
    "step": "Step of the training.",
    "n": "Candidates planned for each test pair: the n of pass_n.",
    "seconds": "What so many candidates took for all test pairs, scoring included.",
    "tasks": "Tasks that were evaluated on; one without predictions counts 0.",
    "test_pairs": "Test pairs that were evaluated on.",
    "planned": "Candidates planned for all test pairs.",
    "answered": "Candidates that the model wrote.",
    "decoded": "Candidates that were decoded into a grid.",
    **{metric.name: metric.description for metric in (*METRICS, *RANKED_METRICS)},
    "best": "Metrics in which this row beats every other of its table and dataset, by paired bootstrap over tasks.",
    "grouping": "What the tasks are grouped by: cells of the input, cells of the output, or demonstrations.",
    "bin": "Range of that number.",
    "order": "Place of the bin among its grouping.",
    "intervals": "95 % interval of each metric, by bootstrap over tasks.",
}


def column_schema(schema: pa.Schema) -> dg.TableSchema:
    """The columns with their types and meanings, as the UI lists them."""
    columns = [dg.TableColumn(field.name, _type(field.type), description=COLUMNS.get(field.name)) for field in schema]
    return dg.TableSchema(columns)


def _type(kind: pa.DataType) -> str:
    # a struct's fields in full would leave no room for words
    return "struct" if pa.types.is_struct(kind) else str(kind)
