"""Competitions: questions answered before a deadline, by a model that may be taken to another machine."""
