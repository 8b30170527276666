"""Measurements: what a training will cost here, and how the project's ways compare with plain ones. No Dagster."""
