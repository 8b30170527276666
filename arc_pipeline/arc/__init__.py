"""Concepts of ARC: grids, tasks, augmentation, prompts, votes, metrics. Knows nothing of torch or Dagster."""
