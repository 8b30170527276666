"""What users read is in the words of the field: no word means something in this project alone."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRIVATE = re.compile(
    r"stands? back|standing back|\b(asked|asks)\b|held to|(goes|go) on from|\bmend|\bspoiled\b|\bsound\b|"
    r"\bthe seed('s)?\b|\bso many\b|\bthe last first\b|\bits end\b|last words|as far as it is known|no name of",
    re.IGNORECASE,
)
# words that never are English of this field, in code as well
PRIVATE_ANYWHERE = re.compile(
    r"stands? back|standing back|held to|(goes|go) on from|\bmend|\bspoiled\b|\bthe seed's\b|last words|"
    r"as far as it is known",
    re.IGNORECASE,
)
READ_BY_USERS = (
    "README.md",
    "data/raw/README.md",
    "arc_pipeline/cli/*.py",
    "arc_pipeline/report/**/*.*",
    "arc_pipeline/ui/*.py",
)
READ_BY_DEVELOPERS = ("arc_pipeline/**/*.py", "data/**/*.yaml")


def files(patterns: Iterable[str]) -> list[Path]:
    """Those of the repository that match, but what was made of them."""
    found = (path for pattern in patterns for path in sorted(ROOT.glob(pattern)) if path.suffix != ".pyc")
    return [path.relative_to(ROOT) for path in found if "store" not in path.relative_to(ROOT).parts[1:2]]


def private_words(name: Path, pattern: re.Pattern[str]) -> list[str]:
    """What a file has of them."""
    return [match[0] for match in pattern.finditer(" ".join((ROOT / name).read_text().split()))]


@pytest.mark.parametrize("name", files(READ_BY_USERS), ids=str)
def test_words_are_those_of_the_field(name: Path) -> None:
    assert private_words(name, PRIVATE) == []


def test_words_of_code_and_data_are_too() -> None:
    names = [name for name in files(READ_BY_DEVELOPERS) if private_words(name, PRIVATE_ANYWHERE)]
    assert names == []
