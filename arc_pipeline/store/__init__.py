"""Artefacts on disk, and where each came from: versions, tables, lineage, pruning. Knows nothing of ARC."""
