"""Names that can be partition keys and parts of paths."""

import re

import pytest

from arc_pipeline.arc.names import did_you_mean, did_you_mean_or_all, file_name, is_name


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


def test_any_text_is_part_of_a_file_name_and_no_two_are_the_same() -> None:
    texts = [
        "00d62c1b",
        "00D62C1B",
        "../x",
        "..\\x",
        "/etc/x",
        "x" * 300,
        "x" * 301,
        "CON",
        "con",
        "",
        "a b",
        "a\tb",
        "\ud800",
    ]
    names = [file_name(text) for text in texts]
    assert names[0] == "00d62c1b"
    assert len({name.lower() for name in names}) == len(texts)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name) for name in names)
