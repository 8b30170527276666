"""Refuses what a foreign web page could make a browser send to the UI, before Dagster's webserver sees it.

That runs mutations sent by GET or as plain text, for any Origin and Host, without a login. Knows HTTP, no Dagster.
"""

import re
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
# what is no page: a link on another site must not lead there
DATA = frozenset({"graphql", "logs", "notebook", "dagit", "download_debug"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d+)?", re.IGNORECASE)


class Hosts:
    """The Host headers that are allowed: the names of the host that this server is bound to."""

    def __init__(self, bound: str) -> None:
        self.everywhere = bound in EVERY_ADDRESS
        own = {socket.gethostname(), socket.getfqdn()} if self.everywhere else {in_url(bound)}
        self.names = LOOPBACK | {name.lower() for name in own}

    def has(self, host: str) -> bool:
        """Whether a Host header names this server, at whatever port: a tunnel may lead to it from another one."""
        match = _HOST.fullmatch(host)
        name = match[1].lower().removesuffix(".") if match else ""
        # another name may be made to point here by its owner (DNS rebinding); an address cannot
        return name in self.names or (self.everywhere and _is_address(name))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that is bound to the host."""
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def in_url(host: str) -> str:
    """The host as a URL has it."""
    return f"[{host}]" if ":" in host else host


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


class Guard:
    """An ASGI middleware: a request that `refusal` refuses gets its answer, all others reach the app."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request or opens one websocket."""

        async def unframed(message: Message) -> None:
            if message["type"] == "http.response.start":
                # clicks meant for another page that shows this one invisibly
                MutableHeaders(scope=message)["X-Frame-Options"] = "SAMEORIGIN"
            await send(message)

        refused = refusal(scope, self.hosts) if scope["type"] in ("http", "websocket") else None
        await (refused or self.app)(scope, receive, unframed)


def refusal(scope: Scope, hosts: Hosts) -> PlainTextResponse | None:
    """The answer to a request that is refused, or None."""
    headers, method = Headers(scope=scope), scope.get("method", "GET")
    named, place = headers.getlist("host"), scope["path"].strip("/").split("/")[0]
    if len(named) != 1 or not hosts.has(named[0]):
        return _refused(403, f"Host header not allowed: {', '.join(named) or 'none given'}")
    if any(urlsplit(origin).netloc.lower() != named[0].lower() for origin in headers.getlist("origin")):
        return _refused(403, f"request from another site: {', '.join(headers.getlist('origin'))}")
    if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not _is_link(headers, method, place):
        return _refused(403, "request from another site, which may only link to the pages of this one")
    if method not in READING and headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        # other types are sent across sites without asking; this one is not
        return _refused(415, f"{method} needs the content type application/json")
    if scope["type"] == "http" and place == "graphql" and method in READING and not _wants_page(headers):
        return _refused(405, "GraphQL is answered by POST only", {"Allow": "POST"})
    return None


def _is_link(headers: Headers, method: str, place: str) -> bool:
    navigation = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
    return method == "GET" and navigation and place not in DATA


def _wants_page(headers: Headers) -> bool:
    """Whether Dagster will answer with its GraphQL editor, and run nothing."""
    return "text/html" in headers.get("accept", "")


def _refused(status: int, why: str, headers: dict[str, str] | None = None) -> PlainTextResponse:
    return PlainTextResponse(f"{why}\n", status, headers)
