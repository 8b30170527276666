"""An artefact with all that it was made from, copied to another store: there it is what it was, and can be traced."""

import os
import shutil
from pathlib import Path

from arc_pipeline.store.artefact import Artefact
from arc_pipeline.store.lineage import Lineage
from arc_pipeline.store.records import CODE, CURRENT, RECORDS
from arc_pipeline.store.store import Store
from arc_pipeline.store.trace import chain
from arc_pipeline.uncounted import uncounted

uncounted("a copy; no artefact is made by it")


def copy_with_lineage(store: Store, artefact: Artefact, target: Path) -> list[Artefact]:
    """Copies records and verified contents below the directory of another store, which must not have them; what was
    copied. A content that was pruned is left out, as in a trace."""
    copied: dict[Artefact, Lineage] = {}
    for (each, _), record in chain(store, artefact).items():
        if record is None:
            continue
        if each not in copied:
            shutil.copytree(store.root / RECORDS / each.path, target / RECORDS / each.path)
        newest = store.required(each)
        copied.setdefault(each, newest)
        place = target / each.path / record.content
        if store.is_kept(record) and not place.exists():
            shutil.copytree(store.open(record), place)
    for each, newest in copied.items():
        if (target / each.path / newest.content).is_dir():
            os.symlink(newest.content, target / each.path / CURRENT)
    shutil.copytree(store.root / RECORDS / CODE, target / RECORDS / CODE)
    return list(copied)
