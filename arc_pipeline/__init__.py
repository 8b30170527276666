"""A Dagster data-and-model pipeline for the Abstraction and Reasoning Corpus (ARC)."""
