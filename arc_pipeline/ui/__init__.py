"""The Dagster UI as `arc-pipeline dev` serves it: guarded, with its daemon and code server. Knows no asset."""
