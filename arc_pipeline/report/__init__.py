"""Pictures for people. Draws what it is given; knows neither Dagster nor models."""

from arc_pipeline.arc.code_version import uncounted

uncounted("pictures and words for people")
