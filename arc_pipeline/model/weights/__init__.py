"""Weights and their tokenizers: where they come from, how they are loaded and saved. Knows no training."""
