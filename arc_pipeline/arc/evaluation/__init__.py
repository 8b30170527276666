"""From candidates to results: votes, metrics, comparisons, failures. Knows neither prompts nor models."""
