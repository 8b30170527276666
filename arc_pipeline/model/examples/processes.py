"""Parts of the examples, each a file, drawn by several processes: `python -m arc_pipeline.model.examples.processes`.

A part is written whole under a name that carries its hash, so that what a killed run had finished is used again, and
never what is damaged. Imports no tokenizer.
"""

from arc_pipeline.machine.process import end_with_parent

if __name__ == "__main__":
    end_with_parent()

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from arc_pipeline.arc.augmentation.recipes import RECIPE_SCHEMA
from arc_pipeline.errors import ArcPipelineError
from arc_pipeline.machine.durations import readable_duration
from arc_pipeline.model.examples.plan import DrawnPart, Plan, read_plan, written
from arc_pipeline.store.tables import parquet_bytes, write_whole
from arc_pipeline.uncounted import uncounted

Say: TypeAlias = Callable[[str], None]

REFUSED = b"arc_pipeline.refused"
REPORT_EVERY_SECONDS, LOOK_EVERY_SECONDS = 10.0, 0.1


@uncounted("where parts are drawn changes none of them")
def draw_parts(plan: Plan, work: Path | None, say: Say) -> Iterator[DrawnPart]:
    """All parts in their order; in this process if there are no more than one, or `work` is not given."""
    n_parts = len(plan.parts)
    if work is None or n_parts < 2:
        yield from (drawn for _, drawn in plan.draw(iter(range(n_parts))))
        return
    work.mkdir(parents=True, exist_ok=True)
    with _alone_in(work):
        there = _finished(work)
        if there:
            say(f"{len(there)} of {n_parts} parts of the examples are there from a run that ended early")
        if len(there) < n_parts:
            plan = written(plan, work)
            _draw_missing(plan, work, len(there), say)
        del plan  # its grids: memory for whoever joins the parts
        for number in range(n_parts):
            yield _read(next(work.glob(f"part-{number:06}-*.parquet")))


@contextmanager
def _alone_in(work: Path) -> Iterator[None]:
    """Waits for another run that draws the same."""
    with (work / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _draw_missing(plan: Plan, work: Path, there: int, say: Say) -> None:
    """Starts processes and waits for them; their errors end this one."""
    n_processes = min(len(os.sched_getaffinity(0)), len(plan.parts) - there)
    command = [sys.executable, "-m", "arc_pipeline.model.examples.processes", str(work)]
    with (work / "output.log").open("w+") as log:
        workers = [
            subprocess.Popen([*command, str(number), str(n_processes)], stdout=log, stderr=log)
            for number in range(n_processes)
        ]
        try:
            _wait(workers, plan, work, there, say)
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
        if any(worker.returncode for worker in workers):
            log.seek(0)
            raise ArcPipelineError(f"a process that draws examples ended early:\n{log.read()[-2000:]}")


def _wait(workers: Sequence[subprocess.Popen[bytes]], plan: Plan, work: Path, there: int, say: Say) -> None:
    started = reported = time.monotonic()
    while any(worker.poll() is None for worker in workers):
        if any(worker.poll() for worker in workers):
            return
        with suppress(subprocess.TimeoutExpired):
            next(worker for worker in workers if worker.poll() is None).wait(LOOK_EVERY_SECONDS)
        if time.monotonic() - reported > REPORT_EVERY_SECONDS:
            reported = time.monotonic()
            say(_progress(plan, len(list(work.glob("part-*.parquet"))), there, reported - started))


def _progress(plan: Plan, done: int, there: int, seconds: float) -> str:
    total, n_parts = sum(part.n_examples for part in plan.parts), len(plan.parts)
    words = f"{total * done // n_parts:,} of {total:,} examples drawn ({100 * done // n_parts} %)"
    if done == there:
        return words
    return f"{words}, about {readable_duration(seconds / (done - there) * (n_parts - done))} left"


def _path(work: Path, number: int, content: bytes) -> Path:
    return work / f"part-{number:06}-{hashlib.sha256(content).hexdigest()[:32]}.parquet"


def _number(path: Path) -> int:
    return int(path.name.split("-")[1])


def _write(work: Path, number: int, drawn: DrawnPart) -> None:
    table, refused = drawn
    content = parquet_bytes(table.replace_schema_metadata({REFUSED: refused.encode()}))
    write_whole(content, _path(work, number, content))


def _finished(work: Path) -> dict[int, Path]:
    """The parts that are there, by their numbers; those that are damaged are removed."""
    parts = {}
    for path in sorted(work.glob("part-*.parquet")):
        if path == _path(work, _number(path), path.read_bytes()):
            parts[_number(path)] = path
        else:
            path.unlink()
    return parts


def _read(path: Path) -> DrawnPart:
    content = path.read_bytes()
    if path != _path(path.parent, _number(path), content):
        raise ArcPipelineError(f"{path} is not what was written; run the same again, it is drawn anew")
    table = pq.read_table(pa.BufferReader(content))
    refused = (table.schema.metadata or {}).get(REFUSED, b"").decode()
    return table.replace_schema_metadata(None).cast(RECIPE_SCHEMA), refused


@uncounted("where parts are drawn changes none of them")
def run(work: str, number: str, n_processes: str) -> None:
    """Draws every n-th part, but for those that are there."""
    place = Path(work)
    plan, there = read_plan(place), set(map(_number, place.glob("part-*.parquet")))
    missing = (part for part in range(int(number), len(plan.parts), int(n_processes)) if part not in there)
    for part, drawn in plan.draw(missing):
        _write(place, part, drawn)


if __name__ == "__main__":
    run(*sys.argv[1:])
