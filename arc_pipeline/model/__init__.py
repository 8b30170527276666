"""Activities on language models: tokenize, load, train, generate. Knows nothing of Dagster."""
