"""Completions, kept in append-only shards, so that what a killed run had finished is not computed again.

A completion is identified by its prompt, seed and temperature. The prompt is all the input that the model gets, so it
stands for the version of the tasks. A shard says which model and settings it is for, and is read for no other ones.
"""

import hashlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from arc_pipeline.store.artefact import hash_json
from arc_pipeline.store.tables import parquet_bytes, write_whole

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


@dataclass(frozen=True)
class Completion:
    """What a model wrote: its text, the sum of its tokens' log-probabilities (natural logarithm), their number.

    The distribution is that of temperature 1 over the tokens that were allowed: a token without alternative counts 0.
    """

    text: str
    logprob: float
    n_tokens: int
    refusal: str | None = None
    token_logprobs: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32), compare=False)


OF_COMPLETIONS = [(column.name, TYPES[column.name]) for column in fields(Completion)]
SCHEMA = pa.schema([("key", pa.string()), *OF_COMPLETIONS, ("seconds", pa.float64())])


def completion_key(prompt: str, seed: int, temperature: float, adapter: str = "") -> str:
    """Names a completion. Without randomness, at temperature 0, the seed does not matter.

    `adapter` names the weights that complete it, where a checkpoint has several.
    """
    request = [prompt, seed if temperature else 0, float(temperature)]
    return hash_json([*request, adapter] if adapter else request)[:32]


@dataclass(frozen=True)
class Kept:
    """A completion from a shard, and its share of the wall time of the run that computed it."""

    completion: Completion
    seconds: float


class Shards:
    """All completions of one model in one setting: `about` says which, and every part of it matters."""

    def __init__(
        self,
        place: Path,
        about: Mapping[str, Any],
        warn: Callable[[str], None],
        formerly: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """`formerly`: what older versions of this program wrote for the same `about`; those shards are only read."""
        self._warn = warn
        self._readable = {place / hash_json(words)[:16]: _schema(words) for words in (about, *formerly)}
        self.directory, self._schema = next(iter(self._readable.items()))
        self._skipped: set[Path] = set()

    def keys(self) -> set[str]:
        """The keys of all readable completions."""
        return {key for table in self._tables() for key in table["key"].to_pylist()}

    def read(self, keys: Collection[str]) -> dict[str, Kept]:
        """Those of the keys that are there. Of what was computed twice, the first to finish counts."""
        kept: dict[str, Kept] = {}
        wanted = pa.array(keys, pa.string())
        for table in self._tables():
            for row in table.filter(pc.is_in(table["key"], wanted)).to_pylist():
                key, seconds = row.pop("key"), row.pop("seconds")
                row["token_logprobs"] = np.array(row["token_logprobs"], np.float32)
                kept.setdefault(key, Kept(Completion(**row), seconds))
        return kept

    @contextmanager
    def adding(self) -> Iterator[Callable[[str, Completion], None]]:
        """Yields a function that adds a completion: on disk after SHARD_SECONDS, or when the block ends or fails."""
        writer = _Writer(self._write)
        try:
            yield writer.add
        finally:
            writer.close()

    def _tables(self) -> Iterator[pa.Table]:
        """The shards in the order in which they were written; what is damaged, or another model's, is skipped."""
        paths = [path for directory in self._readable for path in directory.glob("*.parquet")]
        for path in sorted(paths, key=lambda path: path.name):
            try:
                table = pq.read_table(pa.BufferReader(_verified(path)), page_checksum_verification=True)
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
        written = parquet_bytes(pa.Table.from_pylist(rows, self._schema))
        sha256 = hashlib.sha256(written).hexdigest()
        write_whole(written, self.directory / f"{time.time_ns():020}-{uuid.uuid4().hex[:8]}-{sha256}.parquet")


def _verified(path: Path) -> bytes:
    """The bytes of a shard, compared with the SHA-256 at the end of its name; those of former versions have none."""
    written, sealed = path.read_bytes(), path.stem.split("-")[2:]
    if sealed and [hashlib.sha256(written).hexdigest()] != sealed:
        raise OSError("its SHA-256 is not the one in its name")
    return written


def _schema(about: Mapping[str, Any]) -> pa.Schema:
    return SCHEMA.with_metadata({OF: json.dumps(about, sort_keys=True)})


class _Writer:
    """Gathers rows; a thread writes them, since the next completion may take the model long."""

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
