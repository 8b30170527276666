"""From grids to the text of a prompt and back: encoders, prompts, what counts as a token of the tiny model.

Knows no model.
"""
