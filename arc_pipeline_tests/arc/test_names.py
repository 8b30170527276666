"""Names that can be partition keys and parts of paths."""

import pytest

from arc_pipeline.arc.names import did_you_mean, did_you_mean_or_all, is_name


@pytest.mark.parametrize("name", ["arc-agi-1", "val_rs7_n-1", "-", "a.b", "7"])
def test_names(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "a..b", "../a", "a/b", "a b", "a\n", "a|b", "a,b", "é", "٣", "[a]"]
)
def test_what_is_no_name(name: str) -> None:
    assert not is_name(name)


def test_hints() -> None:
    known = ["train_rs7", "val_rs7"]
    assert did_you_mean("trian_rs7", known) == did_you_mean_or_all("trian_rs7", known) == "; did you mean 'train_rs7'?"
    assert did_you_mean("zzz", known) == ""
    assert did_you_mean_or_all("zzz", known) == "; there are: train_rs7, val_rs7"
    assert did_you_mean_or_all("zzz", []) == "; there are: none"
