"""The report at /report beside Dagster's pages: written again once anything that it is made from has changed.

It is written by `arc-pipeline report` in a process of its own: with the code as it is now, not as it was when the
server began, and no server falls with it.
"""

import asyncio
import html
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

import arc_pipeline
from arc_pipeline.machine.process import end_with_parent
from arc_pipeline.project import Project

PATH = "/report"
COMMAND = ("-c", "from arc_pipeline.cli.app import main; main()", "report", "--output")
PACKAGE = Path(arc_pipeline.__file__).parent
# what the page shows nothing of, but is written to all the time
NOT_SHOWN = frozenset({"dagster_home", "training", "__pycache__"})
SECONDS_AT_MOST = 600
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
FAILED = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>arc_pipeline report</title></head>
<body><h1>The report cannot be written</h1><p style="white-space: pre-wrap; overflow-wrap: anywhere">{why}</p>
<p><code>arc-pipeline doctor</code> looks for the cause. <a href="/">Dagster's pages</a></p></body></html>
"""
Seen = frozenset[tuple[str, int, int, int]]


class LiveReport:
    """The page of a data directory, kept until a file below it or of the package changes."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._writing = asyncio.Lock()
        self._seen: Seen | None = None
        self._page = b""

    @property
    def route(self) -> Route:
        """Where it is served: to read, and nothing else."""
        return Route(PATH, self.answer, methods=["GET"])

    async def answer(self, request: Request) -> HTMLResponse:
        """The page as of now, or a sentence on why there is none. Requests meanwhile wait for the same one."""
        async with self._writing:
            seen = await run_in_threadpool(self.seen)
            if seen != self._seen:
                try:
                    self._page = await run_in_threadpool(write_report, self.data)
                except ReportFailed as error:
                    return HTMLResponse(FAILED.format(why=html.escape(str(error))), 500, HEADERS)
                self._seen = seen
        return HTMLResponse(self._page, headers=HEADERS)

    def seen(self) -> Seen:
        """Name, size, time and inode of every file that the page may depend on."""
        return frozenset(mark for root in (self.data, PACKAGE) for mark in _marks(str(root)))


class ReportFailed(Exception):
    """Has the last line that the command said."""


def write_report(data: Path) -> bytes:
    """What `arc-pipeline report` writes for a data directory; ReportFailed if it does not."""
    with TemporaryDirectory() as place:
        output = Path(place) / "report.html"
        try:
            done = subprocess.run(
                [sys.executable, *COMMAND, str(output)],
                env={**os.environ, "ARC_PIPELINE_DATA": str(data)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS_AT_MOST,
                preexec_fn=end_with_parent,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ReportFailed(f"it was not written within {SECONDS_AT_MOST} s") from error
        if done.returncode != 0 or not output.exists():
            raise ReportFailed(_last_words(done.stderr) or f"exit code {done.returncode}")
        return output.read_bytes()


def _last_words(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if any(line.startswith("Traceback") for line in lines) else "\n".join(lines[-10:])


def _marks(directory: str) -> Iterator[tuple[str, int, int, int]]:
    """Files and links below a directory; one that is removed meanwhile is left out."""
    try:
        entries = list(os.scandir(directory))
    except OSError:
        return
    for entry in entries:
        if entry.name in NOT_SHOWN or entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _marks(entry.path)
            continue
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        yield entry.path, found.st_size, found.st_mtime_ns, found.st_ino


def of_project() -> LiveReport:
    """That of the data directory that this process works on."""
    return LiveReport(Project.current().data.absolute())
