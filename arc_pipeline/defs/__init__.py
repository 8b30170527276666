"""Artefacts: the Dagster assets, checks, partitions and resources. Reads, calls `arc` or `model`, writes."""

import warnings

from dagster import BetaWarning, PreviewWarning

# partitioned asset checks and static partition mappings: pinned by the range of versions that the tests ran with
warnings.filterwarnings("ignore", category=PreviewWarning)
warnings.filterwarnings("ignore", category=BetaWarning)
