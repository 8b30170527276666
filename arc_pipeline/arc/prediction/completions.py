"""Completions in append-only shards, so that what a killed run had finished is not computed again.

A completion is known by its prompt, seed and temperature. The prompt is all that the model is told, so it stands for
the version of the tasks. A shard says what was asked and how, and is never read for anything else. Knows no models.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from arc_pipeline.arc.prediction.questions import Completion
from arc_pipeline.store.artefact import hash_json
from arc_pipeline.store.tables import write_whole

# what a killed run loses
SHARD_SECONDS = 20.0
OF = b"arc_pipeline.completions_of"
TYPES = {
    "text": pa.string(),
    "logprob": pa.float64(),
    "n_tokens": pa.int32(),
    "refusal": pa.string(),
    "token_logprobs": pa.list_(pa.field("element", pa.float32())),  # as Parquet names it
}
OF_COMPLETIONS = [(each.name, TYPES[each.name]) for each in fields(Completion)]
SCHEMA = pa.schema([("key", pa.string()), *OF_COMPLETIONS, ("seconds", pa.float64())])


def completion_key(prompt: str, seed: int, temperature: float, adapter: str = "") -> str:
    """Names a completion. Without randomness, at temperature 0, the seed does not matter.

    `adapter` names which weights are asked, where a checkpoint has several.
    """
    asked = [prompt, seed if temperature else 0, float(temperature)]
    return hash_json([*asked, adapter] if adapter else asked)[:32]


@dataclass(frozen=True)
class Kept:
    """A completion from a shard, and its share of the wall time of the run that computed it."""

    completion: Completion
    seconds: float


class Shards:
    """All completions of one model, asked in one way: `about` says which and how, every part of it matters."""

    def __init__(
        self,
        place: Path,
        about: Mapping[str, Any],
        warn: Callable[[str], None],
        formerly: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """`formerly`: other words for the same, as older versions of this program wrote them; those are only read."""
        self._warn = warn
        self._readable = {place / hash_json(each)[:16]: _schema(each) for each in (about, *formerly)}
        self.directory, self._schema = next(iter(self._readable.items()))
        self._skipped: set[Path] = set()

    def keys(self) -> set[str]:
        """What is there, whole."""
        return {key for table in self._tables() for key in table["key"].to_pylist()}

    def read(self, keys: Collection[str]) -> dict[str, Kept]:
        """Those of the keys that are there. What was computed twice is as the first to finish has it."""
        found: dict[str, Kept] = {}
        wanted = pa.array(keys, pa.string())
        for table in self._tables():
            for row in table.filter(pc.is_in(table["key"], wanted)).to_pylist():
                key, seconds = row.pop("key"), row.pop("seconds")
                row["token_logprobs"] = np.array(row["token_logprobs"], np.float32)
                found.setdefault(key, Kept(Completion(**row), seconds))
        return found

    @contextmanager
    def adding(self) -> Iterator[Callable[[str, Completion], None]]:
        """Yields a function that adds a completion: on disk SHARD_SECONDS later, or when the block ends, however."""
        writer = _Writer(self._write)
        try:
            yield writer.add
        finally:
            writer.close()

    def _tables(self) -> Iterator[pa.Table]:
        """The shards in the order in which they were written; what is not whole, or no shard of these, is skipped."""
        paths = [path for directory in self._readable for path in directory.glob("*.parquet")]
        for path in sorted(paths, key=lambda path: path.name):
            try:
                table = pq.read_table(path, partitioning=None, page_checksum_verification=True)
                same = table.schema.equals(self._readable[path.parent], check_metadata=True)
                problem = "" if same else "it holds something else"
            except (pa.ArrowException, OSError) as error:
                problem = f"it cannot be read ({error})"
            if not problem:
                yield table
            elif path not in self._skipped:
                self._skipped.add(path)
                self._warn(f"{path} is skipped and what it held computed again: {problem}; remove it")

    def _write(self, rows: list[dict[str, Any]]) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():020}-{uuid.uuid4().hex[:8]}.parquet"
        write_whole(pa.Table.from_pylist(rows, self._schema), self.directory / name)


def _schema(about: Mapping[str, Any]) -> pa.Schema:
    return SCHEMA.with_metadata({OF: json.dumps(about, sort_keys=True)})


class _Writer:
    """Gathers rows; a thread writes them, for nobody knows how long the model takes for the next."""

    def __init__(self, write: Callable[[list[dict[str, Any]]], None]) -> None:
        self._write, self._rows = write, list[dict[str, Any]]()
        self._last, self._lock, self._closing = time.monotonic(), threading.Lock(), threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._write_now_and_then, daemon=True)
        self._thread.start()

    def add(self, key: str, completion: Completion) -> None:
        if self._failure:
            raise self._failure
        now = time.monotonic()
        with self._lock:
            self._rows.append({"key": key, **vars(completion), "seconds": now - self._last})
        self._last = now

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        if self._failure:
            raise self._failure
        self._flush()

    def _write_now_and_then(self) -> None:
        try:
            while not self._closing.wait(SHARD_SECONDS):
                self._flush()
        except Exception as error:  # raised again in the thread that adds
            self._failure = error

    def _flush(self) -> None:
        with self._lock:
            rows, self._rows = self._rows, []
        if rows:
            self._write(rows)
