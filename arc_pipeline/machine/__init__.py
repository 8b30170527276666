"""Processes, memory and the accelerator of this machine. Knows nothing of ARC."""

from arc_pipeline.uncounted import uncounted

uncounted("where and when something is computed does not change it")
