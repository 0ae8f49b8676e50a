"""The engine of the corpus, without any proxy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .check import Message, problems
from .compare import Row, compare, differences, load_rows, unmet, unused
from .layout import Ports
from .model import Arrival, Case, Exchange, Request, Saying, load_cases
from .play import Normal, message

REQUEST = Request(name="r", target="/a", reaches="app")


def case(**changes: Any) -> Case:
    values: dict[str, Any] = {
        "name": "c",
        "about": "a case",
        "replace": {},
        "without": [],
        "nginx_http": "",
        "nginx_lacks": None,
        "notes": [],
        "warns": [],
        "refused": None,
        "unreachable": [],
        "requests": [REQUEST],
    }
    return Case(**{**values, **changes})


def seen(status: str = "200", origin: str | None = "app", **fields: list[str]) -> Exchange:
    arrival = Arrival(origin or "", "GET", "/a", "HTTP/1.1", {"host": ["h"]}, "")
    return Exchange([arrival] if origin else [], status, fields, "content", "")


def row(**changes: Any) -> Row:
    table = {"name": "n", "rule": "A1", "where": "client", "what": "field x", "sentence": "s."}
    return Row.from_table({**table, "nginx": "1", "underpass": False, "requests": "*", **changes})


def test_there_are_forty_and_more() -> None:
    cases = load_cases()
    assert len(cases) >= 40
    assert len({case.about for case in cases}) == len(cases)
    load_rows()


def test_equal_exchanges_have_no_difference() -> None:
    assert compare(case(), [seen(x=["1"])], [seen(x=["1"])], []).problems == []


def test_a_difference_needs_a_row() -> None:
    nginx, other = [seen(x=["1"])], [seen()]
    (problem,) = compare(case(), nginx, other, []).problems
    assert problem == "c/r: client, field x: nginx '1', underpass None"
    assert compare(case(), nginx, other, [row()]).used == {("n", "c/r")}


@pytest.mark.parametrize(
    "changes",
    [{"nginx": "2"}, {"underpass": "1"}, {"where": "origin"}, {"what": "status"}, {"requests": ["c/other"]}],
)
def test_a_row_explains_nothing_else(changes: dict[str, Any]) -> None:
    assert compare(case(), [seen(x=["1"])], [seen()], [row(**changes)]).problems


def test_a_row_matches_all_lines_of_a_name() -> None:
    nginx, other = [seen(x=["1", "2"])], [seen()]
    assert compare(case(), nginx, other, [row(nginx="1")]).problems
    assert not compare(case(), nginx, other, [row(nginx="1\n2")]).problems


def test_what_follows_from_another_status_is_not_compared() -> None:
    (difference,) = differences(seen(x=["1"]), seen("404"))
    assert (difference.where, difference.what) == ("client", "status")
    (difference,) = differences(seen(), seen(origin=None))
    assert (difference.where, difference.what, difference.underpass) == ("origin", "reached", "none")


def test_rows_that_explain_nothing_are_found() -> None:
    assert unused([row()], [], ["c/r"])
    assert not unused([row()], [("n", "c/r")], ["c/r"])
    named = row(requests=["c/r", "c/s"])
    assert unused([named], [("n", "c/r"), ("n", "c/s")], ["c/r"]) == [
        "row n (A1) names a request that doesn't exist: c/s"
    ]
    assert unused([named], [("n", "c/r")], ["c/r", "c/s"]) == ["row n (A1) no longer differs in c/s"]


@pytest.mark.parametrize(
    "request_",
    [
        Request(name="r", target="/a"),
        Request(name="r", target="/a", reaches=["app", "app"]),
        Request(name="r", target="/a", reaches="other"),
        Request(name="r", target="/a", reaches="app", status=404),
        Request(name="r", target="/a", reaches="app", forwarded="/b"),
        Request(name="r", target="/a", reaches="app", sent=["Host: other"]),
        Request(name="r", target="/a", reaches="app", sent=["-Host"]),
        Request(name="r", target="/a", reaches="app", got=["X: 1"]),
        Request(name="r", target="/a", reaches="app", says="something else"),
    ],
)
def test_what_did_not_come_is_told(request_: Request) -> None:
    assert unmet(case(), [seen()]) == []
    assert unmet(case(requests=[request_]), [seen()])


def test_every_message_has_to_be_expected() -> None:
    note = Message("warn", '"gzip" has no effect', "nginx.conf:3", "gzip")
    warning = Message("warn", "a level loses fields", "nginx.conf:7", "proxy_set_header")
    expecting = case(notes=["gzip"], warns=[Saying("nginx.conf:7", "loses")])
    assert problems(expecting, 0, [note, warning]) == []
    assert problems(expecting, 0, [note])
    assert problems(expecting, 0, [warning])
    assert problems(expecting, 1, [note, warning])
    assert problems(case(), 0, [note])


def test_a_refusal_is_at_its_line() -> None:
    refused = case(refused=Saying("nginx.conf:3", "TLS"), requests=[])
    assert problems(refused, 1, [Message("emerg", "TLS is not in this version", "nginx.conf:3", "listen")]) == []
    assert problems(refused, 1, [Message("emerg", "TLS is not in this version", "nginx.conf:4", "listen")])
    assert problems(refused, 0, [Message("warn", "TLS is not in this version", "nginx.conf:3", "listen")])


def test_addresses_of_listen() -> None:
    ports = Ports()
    port = ports["80"]
    assert ports.address("80") == ports.address("*:80") == ports.address("192.0.2.1") == f"127.0.0.1:{port}"
    assert ports.address("[::]:80") == ports.address("[::1]") == f"[::1]:{port}"
    assert ports.address("8080") != ports.address("80")
    assert ports.address("unix:/run/a") == "unix:/run/a"


def test_what_is_never_the_same_is_taken_out() -> None:
    normal = Normal({20080: "80", 20081: "app"}, Path("/tmp/prefix"))
    assert normal("http://h:20080/20081 120081") == "http://h:<80>/<app> 120081"
    assert normal("0123456789abcdef0123456789abcdef-") == "<32 hex digits>-"
    assert normal("Mon, 01 Jan 2001 00:00:00 GMT") == "Mon, 01 Jan 2001 00:00:00 GMT"
    assert normal("/tmp/prefix/x") == "<prefix>/x"


def test_requests_as_they_are_sent() -> None:
    chunked = Request(name="r", target="/a", method="POST", content="abc", chunked=True, fields=["X: 1"], preamble="p")
    assert message(chunked) == (
        b"pPOST /a HTTP/1.1\r\nHost: example.com\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )
