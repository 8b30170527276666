"""Pictures for people. Draws what it is given; knows neither Dagster nor models."""

from arc_pipeline.uncounted import uncounted

uncounted("pictures and words for people")
