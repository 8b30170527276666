"""Many events for Dagster's database in one transaction."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

from dagster._core.storage.event_log import EventLogStorage
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage


@contextmanager
def one_transaction(storage: EventLogStorage) -> Iterator[None]:
    """What is stored meanwhile is committed at the end, all of it or nothing.

    Dagster opens SQLite's files three times for each event (1.13), which takes most of the time. Of other databases it
    keeps connections itself.
    """
    if not isinstance(storage, SqliteEventLogStorage):
        yield
        return
    from sqlalchemy import create_engine

    connect, begun = storage._connect, {}
    with ExitStack() as stack:

        def reused(shard: str) -> AbstractContextManager[Any]:
            if shard not in begun:
                with connect(shard):
                    pass  # makes the file where there is none
                engine = create_engine(storage.conn_string_for_shard(shard), connect_args={"timeout": 60})
                stack.callback(engine.dispose)
                begun[shard] = stack.enter_context(engine.begin())
            return nullcontext(begun[shard])

        storage._connect = reused  # type: ignore[method-assign]
        try:
            yield
        finally:
            del storage._connect  # type: ignore[method-assign]
