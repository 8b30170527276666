"""The Dagster assets, one file a stage. Knows nothing of when they are made."""
