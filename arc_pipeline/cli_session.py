"""How a command opens the project: the instance is prepared first, the definitions are loaded from it after."""

from typing import TYPE_CHECKING

from arc_pipeline.console import say

if TYPE_CHECKING:
    from arc_pipeline.defs.session import Session


def open_session() -> "Session":
    """The project's session; names of files that cannot be used are told to the user."""
    from arc_pipeline.defs.instance import prepare

    prepare()
    from arc_pipeline.definitions import defs
    from arc_pipeline.defs.session import Session

    session = Session.of(defs)
    for fault in session.misnamed():
        say(f"ignored: {fault}", "yellow")
    return session
