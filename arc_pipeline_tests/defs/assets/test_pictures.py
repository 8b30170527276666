"""The pictures in the metadata of assets, made by the real graph."""

import base64
import importlib

import dagster as dg
import pytest

PICTURES = {
    "failures": "gallery",
    "prompt_samples": "tokens",
    "augmented_examples": "examples_of_a_task",
    "prediction_curve": "curves",
    "breakdown": "curves",
}


@pytest.mark.parametrize("asset", PICTURES)
def test_an_asset_shows_a_picture_small_enough_for_the_database(two, asset: str) -> None:
    event = two.load().instance.get_latest_materialization_event(dg.AssetKey(asset))
    text = event.asset_materialization.metadata[PICTURES[asset]].value
    assert len(text) <= importlib.import_module("arc_pipeline.report.data_uris").MOST_BYTES
    encoded = text.partition("base64,")[2].partition(")")[0]
    assert base64.b64decode(encoded).startswith(b"\x89PNG")


def test_reasons_are_counted_for_plots(two) -> None:
    event = two.load().instance.get_latest_materialization_event(dg.AssetKey("failures"))
    metadata = {name: entry.value for name, entry in event.asset_materialization.metadata.items()}
    reasons = ("no_prediction", "undecodable", "outvoted", "wrong_pixels", "wrong_size")
    assert metadata["unsolved"] == sum(metadata[reason] for reason in reasons)
