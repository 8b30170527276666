"""From a task to a text and back: encoders, prompts, grammars, questions, completions. Knows no model."""
