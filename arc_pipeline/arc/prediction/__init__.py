"""From a task to a text and back: encoders, prompts, requests, grammars, completions, candidates. Knows no model."""
