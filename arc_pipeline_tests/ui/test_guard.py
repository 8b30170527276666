"""What a foreign web page could send reaches the real server and is refused; what the UI itself sends is not."""

import json
import socket
from typing import Any
from urllib.parse import quote

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from arc_pipeline.ui.guard import Hosts, is_loopback

LIMIT = 'mutation { setConcurrencyLimit(concurrencyKey: "foreign", limit: 3) }'
LIMITS = "{ instance { concurrencyLimits { concurrencyKey } } }"
JSON = {"Content-Type": "application/json"}
BODY = json.dumps({"query": LIMIT})
IN_URL = f"/graphql?query={quote(LIMIT)}"
IMAGE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
ACCEPTS_PAGES = {"Accept": "text/html"}
REFUSED: dict[str, tuple[int, str, str, dict[str, str], str]] = {
    "mutation by GET": (405, "GET", IN_URL, {}, ""),
    "mutation by HEAD": (405, "HEAD", IN_URL, {}, ""),
    "query by GET": (405, "GET", f"/graphql?query={quote(LIMITS)}", {}, ""),
    "foreign Origin": (403, "POST", "/graphql", JSON | {"Origin": "http://evil.example"}, BODY),
    "hidden Origin": (403, "POST", "/graphql", JSON | {"Origin": "null"}, BODY),
    "another server of this machine": (403, "POST", "/graphql", JSON | {"Origin": "http://localhost:1"}, BODY),
    "the other name of this one": (403, "POST", "/graphql", JSON | {"Origin": "http://127.0.0.1:{port}"}, BODY),
    "foreign Host": (403, "POST", "/graphql", JSON | {"Host": "evil.example:{port}"}, BODY),
    "foreign Host and Origin": (
        403,
        "POST",
        "/graphql",
        JSON | {"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"},
        BODY,
    ),
    "Host that begins like this one": (403, "POST", "/graphql", JSON | {"Host": "localhost.evil.example"}, BODY),
    "Host with a user": (403, "POST", "/graphql", JSON | {"Host": "localhost@evil.example"}, BODY),
    "page of a foreign Host": (403, "GET", "/", {"Host": "evil.example"}, ""),
    "form": (415, "POST", IN_URL, {"Content-Type": "application/x-www-form-urlencoded"}, "x=1"),
    "plain text": (415, "POST", "/graphql", {"Content-Type": "text/plain"}, BODY),
    "plain text that names JSON": (415, "POST", "/graphql", {"Content-Type": "text/plain; application/json"}, BODY),
    "no type": (415, "POST", IN_URL, {}, ""),
    "image of a log": (403, "GET", "/logs/a/compute_logs/b.err", IMAGE, ""),
    "image of a debug file": (403, "GET", "/download_debug/a", IMAGE, ""),
    "link to a notebook": (403, "GET", "/notebook?path=a.ipynb&repoLocName=arc_pipeline", LINK, ""),
    "frame": (403, "GET", "/runs", LINK | {"Sec-Fetch-Dest": "iframe"}, ""),
    "frame of the report": (403, "GET", "/report", LINK | {"Sec-Fetch-Dest": "iframe"}, ""),
    "report of a foreign Host": (403, "GET", "/report", {"Host": "evil.example"}, ""),
    "what is no request for the report": (405, "POST", "/report", JSON, "{}"),
    "foreign report of an asset": (403, "POST", "/report_asset_materialization/tasks", JSON | IMAGE, "{}"),
    "form that reports an asset": (415, "POST", "/report_asset_materialization/tasks?partition=mirror", {}, ""),
}
ALLOWED: dict[str, tuple[str, str, dict[str, str], str]] = {
    "page": ("GET", "/", {}, ""),
    "page from a link": ("GET", "/assets/tasks", LINK, ""),
    "page by address": ("GET", "/assets/tasks", {"Host": "127.0.0.1:{port}"}, ""),
    "page by IPv6 address": ("GET", "/assets/tasks", {"Host": "[::1]:{port}"}, ""),
    "page through a tunnel": ("GET", "/", {"Host": "localhost:8080"}, ""),
    "report": ("GET", "/report", {}, ""),
    "report from a link": ("GET", "/report", LINK, ""),
    "editor": ("GET", IN_URL, ACCEPTS_PAGES, ""),
    "query": ("POST", "/graphql", JSON, json.dumps({"query": LIMITS})),
    "query of the UI": (
        "POST",
        "/graphql",
        JSON | {"Origin": "http://localhost:{port}"},
        json.dumps({"query": LIMITS}),
    ),
    "query through a tunnel": (
        "POST",
        "/graphql",
        JSON | {"Host": "localhost:8080", "Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-origin"},
        json.dumps({"query": LIMITS}),
    ),
    "file of the UI": ("GET", "/favicon.png", IMAGE | {"Sec-Fetch-Site": "same-origin"}, ""),
}


def sent(ui: Any, method: str, path: str, headers: dict[str, str], body: str) -> tuple[int, str]:
    """The answer; `{port}` in headers is the server's."""
    return ui.ask(method, path, {name: value.replace("{port}", str(ui.port)) for name, value in headers.items()}, body)


def limits(ui: Any) -> list[str]:
    """What the mutation would add to."""
    return [each["concurrencyKey"] for each in ui.graphql(LIMITS)["instance"]["concurrencyLimits"]]


@pytest.mark.parametrize("attempt", REFUSED)
def test_refused(attempt: str, ui: Any) -> None:
    status, *request = REFUSED[attempt]
    assert sent(ui, *request)[0] == status


@pytest.mark.parametrize("request_", ALLOWED)
def test_allowed(request_: str, ui: Any) -> None:
    status, answer = sent(ui, *ALLOWED[request_])
    assert status == 200, answer


def test_only_the_ui_itself_changes_anything(ui: Any) -> None:
    for _, *request in REFUSED.values():
        sent(ui, *request)
    sent(ui, *ALLOWED["editor"])
    assert "foreign" not in limits(ui)
    assert sent(ui, "POST", "/graphql", JSON | {"Origin": "http://localhost:{port}"}, BODY)[0] == 200
    assert "foreign" in limits(ui)


def test_pages_cannot_be_framed(ui: Any) -> None:
    assert {name.lower(): value for name, value in ui.headers("/runs").items()}["x-frame-options"] == "SAMEORIGIN"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_a_foreign_websocket_is_refused(origin: str, ui: Any) -> None:
    with pytest.raises(InvalidStatus, match="403"), connect(f"ws://127.0.0.1:{ui.port}/graphql", origin=origin):
        pass


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_logs_of_a_run_arrive_by_websocket(host: str, ui: Any) -> None:
    address = f"{host}:{ui.port}"
    with connect(f"ws://{address}/graphql", origin=f"http://{address}", subprotocols=["graphql-ws"]) as socket:
        socket.send('{"type": "connection_init"}')
        assert json.loads(socket.recv(30))["type"] == "connection_ack"
        query = 'subscription { pipelineRunLogs(runId: "none") { __typename } }'
        socket.send(json.dumps({"type": "start", "id": "1", "payload": {"query": query}}))
        answer = json.loads(socket.recv(30))
        assert answer["payload"]["data"]["pipelineRunLogs"]["__typename"] == "PipelineRunLogsSubscriptionFailure"


def test_names_of_a_server_that_others_can_reach() -> None:
    bound = Hosts("192.168.1.5")
    assert [bound.has(name) for name in ("192.168.1.5:3000", "localhost", "192.168.1.6", "evil.example")] == [
        True,
        True,
        False,
        False,
    ]
    everywhere = Hosts("0.0.0.0")
    assert all(everywhere.has(name) for name in ("10.1.2.3:3000", "[fe80::1]", socket.gethostname(), "LOCALHOST:1"))
    assert not any(everywhere.has(name) for name in ("evil.example", "10.1.2.3.evil.example", "", "a b", "[evil]"))
    assert [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "gpu")] == [True] * 3 + [
        False
    ] * 3
