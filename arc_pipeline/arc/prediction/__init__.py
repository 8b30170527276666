"""From a task to its candidates: requests, grammars, completions, drafts. Knows no model."""
