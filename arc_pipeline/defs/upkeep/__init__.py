"""Keeps the assets up to date: what runs next, what is removed. Makes no artefact itself."""
