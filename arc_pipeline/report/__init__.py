"""Pictures for people. Draws what it is given; knows neither Dagster nor models."""
