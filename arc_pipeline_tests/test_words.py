"""What users read is in the words of the field: no word means something in this project alone."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRIVATE = re.compile(
    r"stands? back|standing back|\b(asked|asks)\b|held to|(goes|go) on from|\bmend|\bspoiled\b|\bsound\b|"
    r"\bthe seed('s)?\b|\bso many\b|\bthe last first\b|\bits end\b|last words|as far as it is known|no name of",
    re.IGNORECASE,
)
READ_BY_USERS = (
    "README.md",
    "data/raw/README.md",
    "arc_pipeline/cli/*.py",
    "arc_pipeline/report/**/*.*",
    "arc_pipeline/ui/*.py",
)
FILES = [
    path.relative_to(ROOT) for pattern in READ_BY_USERS for path in sorted(ROOT.glob(pattern)) if path.suffix != ".pyc"
]


@pytest.mark.parametrize("name", FILES, ids=str)
def test_words_are_those_of_the_field(name: Path) -> None:
    text = " ".join((ROOT / name).read_text().split())
    assert [match[0] for match in PRIVATE.finditer(text)] == []
