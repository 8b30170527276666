"""Completions of a model: the engine, its schedule, cache and constraints. Knows no training."""
