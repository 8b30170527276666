"""The votes are timed on tables of real sizes."""

import pytest

from arc_pipeline.bench.voting import voting_row


def test_the_votes_are_timed_on_candidates_of_real_sizes() -> None:
    row = voting_row(rows=4, predictions=8)
    assert row["ratio"] == pytest.approx(row["reference"] / row["ours"])
    assert "4 x 8 x 5 candidates" in row["name"]
