"""A Dagster logger for people: one line for what happens in each stage, instead of the event log."""

import logging
import sys
from typing import Any

import dagster as dg


class ProgressHandler(logging.Handler):
    """Writes `asset  message` to standard error, for messages that assets log themselves."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one line."""
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        if meta.get("dagster_event") is None and not str(meta.get("orig_message")).startswith("[pipes]"):
            step = meta.get("step_key") or ""
            print(f"  {step:<20} {meta['orig_message']}", file=sys.stderr, flush=True)


@dg.logger(description="One line a message of an asset, to standard error.")
def progress_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """For runs that a person watches in a terminal."""
    logger = logging.Logger("arc_pipeline.progress", logging.INFO)
    logger.addHandler(ProgressHandler())
    return logger
