"""Keeps the assets up to date: what is stale, what runs next, what is removed. Makes no artefact itself."""
