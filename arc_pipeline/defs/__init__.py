"""Artefacts: the Dagster assets, checks, partitions and resources. Reads, calls `arc` or `model`, writes."""
