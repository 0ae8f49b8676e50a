"""The engine of the differential test, without any proxy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from email.utils import formatdate
from typing import Any

import pytest

from .compare import Row, compare, load_rows, unused
from .model import Case, Normaliser, Observation, Part, load_cases, render
from .operations import ARGUMENTS, ON_ENDS, ON_HEADS, messages
from .play import chunked_length
from .table import DOCUMENT, document

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nServer: <server>\r\nContent-Length: 2\r\nX-B: 1\r\n\r\n"
PAGE = b"<html>\r\n<hr><center>nginx/1.22.1</center>\r\n</html>\r\n"

CASE = Case(
    name="one",
    about="a case of its own",
    config="plain",
    steps=(),
    answers=[[{"send": "HTTP/1.1 200 OK\r\nx-b: 1\r\nContent-Length: 2\r\nServer: o\r\n\r\nok"}]],
)


def seen(
    origin: bytes = REQUEST, client: bytes = RESPONSE, content: bytes = b"ok", end: bytes = b"open"
) -> Observation:
    return Observation(
        (Part("connection"), Part("head", origin)),
        (Part("head", client), Part("content", content), Part("end", end)),
    )


def row(**table: Any) -> Row:
    return Row.from_table(
        {"name": "r", "rule": "B4", "where": "origin", "sentence": "It differs.", "cases": ["one"], **table}
    )


VIA = {"op": "add-line", "line": "Via: 1.1 underpass"}
WITH_VIA = REQUEST[:-2] + b"Via: 1.1 underpass\r\n\r\n"


def problems(nginx: Observation, underpass: Observation, *rows: Row) -> Sequence[str]:
    return compare(CASE, nginx, underpass, rows).problems


def test_equal_observations_need_no_row() -> None:
    assert problems(seen(), seen()) == []


@pytest.mark.parametrize(
    "other",
    [
        seen(origin=REQUEST.replace(b"X-A", b"x-a")),
        seen(origin=REQUEST.replace(b"X-A: 1", b"X-A:1")),
        seen(origin=REQUEST.replace(b"Host: a\r\nX-A: 1\r\n", b"X-A: 1\r\nHost: a\r\n")),
        seen(client=RESPONSE.replace(b"OK", b"Ok")),
        seen(content=b"no"),
        seen(content=b""),
        seen(end=b"closed"),
        Observation(seen().origin[1:], seen().client),
        Observation((), seen().client),
        Observation(seen().origin * 2, seen().client),
        Observation(seen().origin, (*seen().client, Part("rest", b"x"))),
    ],
)
def test_any_unexplained_difference_is_a_problem(other: Observation) -> None:
    assert len(problems(seen(), other)) == 1
    assert len(problems(other, seen())) == 1


def test_a_row_explains_its_difference_and_no_other() -> None:
    assert problems(seen(), seen(origin=WITH_VIA), row(**VIA)) == []
    assert len(problems(seen(), seen(origin=WITH_VIA.replace(b"Host: a", b"Host: b")), row(**VIA))) == 1
    assert len(problems(seen(), seen(origin=WITH_VIA), row(op="add-line", line="Via: 1.1 other"))) == 1


def test_a_row_holds_only_at_its_end_and_for_its_cases() -> None:
    assert len(problems(seen(), seen(origin=WITH_VIA), row(**VIA, where="client"))) == 2
    assert len(problems(seen(), seen(origin=WITH_VIA), row(**VIA, cases=["two"]))) == 1
    assert problems(seen(), seen(origin=WITH_VIA), row(**VIA, cases="*")) == []
    assert len(problems(seen(), seen(origin=WITH_VIA), row(**VIA, cases="*", unlike=["one"]))) == 1


def test_a_row_whose_difference_is_gone_is_a_problem() -> None:
    (problem,) = problems(seen(), seen(), row(**VIA))
    assert "Via: 1.1 underpass" in problem


def test_a_row_that_changes_nothing_in_a_case_that_it_names_is_a_problem() -> None:
    (problem,) = problems(seen(), seen(), row(op="drop-lines", names=["X-Absent"]))
    assert "no longer differs" in problem
    assert problems(seen(), seen(), row(op="drop-lines", names=["X-Absent"], cases="*")) == []


def test_a_row_that_is_not_needed_is_a_problem() -> None:
    away = row(op="drop-lines", names=["X-A"])
    again = row(op="drop-lines", names=["X-A", "X-Z"], name="again", cases="*")
    without = seen(origin=b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert problems(seen(), without, away) == []
    # The second finds nothing to do behind the first, and the first isn't needed beside it.
    assert problems(seen(), without, again) == []
    back = row(op="add-line", line="X-A: 1", name="back")
    found = problems(seen(), seen(), row(op="drop-lines", names=["X-Z"], cases="*"), away, back)
    assert found == []  # each undoes the other, but neither alone makes it equal
    undone = row(op="replace-line", line="X-A: 1", **{"with": "X-A: 2"}, name="there")
    (problem,) = problems(seen(), without, undone, away)
    assert "row there" in problem and "without it all is equal too" in problem


def test_a_row_that_no_case_needs_is_a_problem() -> None:
    rows = [row(**VIA, cases="*"), row(**VIA, name="s", cases=["three"]), row(**VIA, name="t", cases="*", unlike=["x"])]
    found = unused(rows, [CASE], ["r"])
    assert [problem.split()[1] for problem in found] == ["s", "s", "t", "t"]
    assert unused(rows[:1], [CASE], ["r"]) == []


def test_a_failure_names_case_end_rows_and_difference() -> None:
    (problem,) = problems(seen(), seen(origin=WITH_VIA.replace(b"X-A", b"x-a")), row(**VIA))
    for piece in ("one (a case of its own)", "the origin server", "r (B4) add-line", "nginx + rows", "underpass"):
        assert piece in problem
    lines = problem.splitlines()
    assert r"-   X-A: 1\r\n" in lines
    assert r"+   x-a: 1\r\n" in lines


def test_conditions_choose_messages() -> None:
    two = (Part("head", REQUEST), Part("content", b"x"), Part("head", REQUEST.replace(b"GET", b"PUT")))
    via = Part("head", WITH_VIA)
    put = Part("head", WITH_VIA.replace(b"GET", b"PUT"))
    assert row(**VIA).apply(CASE, two) == (via, two[1], put)
    assert row(**VIA, when="^PUT").apply(CASE, two) == (*two[:2], put)
    assert row(**VIA, when="x$").apply(CASE, two) == (via, *two[1:])
    assert row(**VIA, unless="^PUT").apply(CASE, two) == (via, *two[1:])
    assert row(**VIA, only=[2]).apply(CASE, two) == (*two[:2], put)


START = b"HTTP/1.1 200 OK\r\n"
BODY = Part("content", b"ok")


@pytest.mark.parametrize(
    ("operation", "before", "after"),
    [
        ({"op": "add-line", "line": "C: 3"}, b"A: 1\r\nB: 2\r\n", b"A: 1\r\nB: 2\r\nC: 3\r\n"),
        ({"op": "add-line", "line": "C: 3", "after": "a"}, b"A: 1\r\nB: 2\r\n", b"A: 1\r\nC: 3\r\nB: 2\r\n"),
        ({"op": "add-line", "line": "C: 3", "after": "x"}, b"A: 1\r\nB: 2\r\n", b"A: 1\r\nB: 2\r\n"),
        ({"op": "drop-lines", "names": ["a"]}, b"A: 1\r\nB: 2\r\nA: 3\r\n", b"B: 2\r\n"),
        ({"op": "replace-line", "line": "A: 1", "with": "A: 2"}, b"A: 1\r\nA: 3\r\n", b"A: 2\r\nA: 3\r\n"),
        ({"op": "keep-lines", "names": ["server"]}, b"Server: <server>\r\nB: 2\r\n", b"Server: o\r\nB: 2\r\n"),
        ({"op": "keep-lines", "names": ["b"]}, b"A: 1\r\nB: 2\r\n", b"A: 1\r\n"),
        (
            {"op": "origin-order", "last": ["server"]},
            b"Server: o\r\nContent-Length: 2\r\nA: 1\r\nX-B: 1\r\n",
            b"x-b: 1\r\nContent-Length: 2\r\nServer: o\r\nA: 1\r\n",
        ),
        ({"op": "origin-order", "last": []}, b"A: 1\r\nX-B: 2\r\n", b"A: 1\r\nX-B: 2\r\n"),
    ],
)
def test_operations_on_field_lines(operation: dict[str, Any], before: bytes, after: bytes) -> None:
    found = row(**operation).apply(CASE, (Part("head", START + before + b"\r\n"), BODY))
    assert found == (Part("head", START + after + b"\r\n"), BODY)


HEAD = Part("head", START + b"\r\n")
END = Part("end", b"open")


@pytest.mark.parametrize(
    ("operation", "before", "after"),
    [
        (
            {"op": "replace-start", "start": "HTTP/1.1 200 OK", "with": "HTTP/1.1 201 Created"},
            (HEAD, BODY),
            (Part("head", b"HTTP/1.1 201 Created\r\n\r\n"), BODY),
        ),
        ({"op": "replace-start", "start": "HTTP/1.1 200", "with": "x"}, (HEAD, BODY), (HEAD, BODY)),
        ({"op": "replace-content", "content": "ok", "with": "no"}, (HEAD, BODY), (HEAD, Part("content", b"no"))),
        ({"op": "replace-content", "content": "on", "with": "no"}, (HEAD, BODY), (HEAD, BODY)),
        (
            {"op": "replace-message", "head": "a\r\n\r\n", "content": "b"},
            (HEAD, BODY, END),
            (Part("head", b"a\r\n\r\n"), Part("content", b"b"), END),
        ),
        ({"op": "drop-message"}, (HEAD, BODY, END), (END,)),
        ({"op": "new-connection"}, (HEAD, BODY), (Part("connection"), HEAD, BODY)),
        ({"op": "no-forward"}, (Part("connection"), HEAD, BODY), ()),
        (
            {"op": "forward", "head": "a\r\n\r\n", "content": "b"},
            (HEAD,),
            (HEAD, Part("connection"), Part("head", b"a\r\n\r\n"), Part("content", b"b")),
        ),
        (
            {"op": "replace-tunnel", "tunnel": "a", "with": "b"},
            (HEAD, Part("tunnel", b"a"), END),
            (HEAD, Part("tunnel", b"b"), END),
        ),
        (
            {"op": "replace-rest", "head": "a\r\n\r\n", "content": "b"},
            (Part("rest", b"x"), END),
            (Part("head", b"a\r\n\r\n"), Part("content", b"b"), END),
        ),
        ({"op": "replace-end", "from": "open", "to": "reset"}, (HEAD, END), (HEAD, Part("end", b"reset"))),
        ({"op": "replace-end", "from": "closed", "to": "reset"}, (HEAD, END), (HEAD, END)),
        (
            {"op": "page", "type": "text/plain", "content": "STATUS\n"},
            (Part("head", START + b"Content-Type: text/html\r\nContent-Length: 99\r\n\r\n"), Part("content", PAGE)),
            (
                Part("head", START + b"Content-Type: text/plain\r\nContent-Length: 7\r\n\r\n"),
                Part("content", b"200 OK\n"),
            ),
        ),
    ],
)
def test_operations_on_messages_and_ends(
    operation: dict[str, Any], before: tuple[Part, ...], after: tuple[Part, ...]
) -> None:
    assert row(**operation).apply(CASE, before) == after


@pytest.mark.parametrize(("close", "line"), [(True, b"Connection: close\r\n"), (False, b"")])
def test_a_refusal_has_the_form_of_nginx(close: bool, line: bytes) -> None:
    (head, page) = row(op="refuse", status="400 Bad Request", close=close).apply(CASE, (HEAD, BODY))
    assert head.data.startswith(b"HTTP/1.1 400 Bad Request\r\nServer: <server>\r\nDate: <date>\r\n")
    assert head.data.endswith(b"Content-Length: %d\r\n%s\r\n" % (len(page.data), line))
    assert b"<hr><center>nginx/" in page.data


def test_a_page_gives_the_reason_of_its_case() -> None:
    page = {"op": "page", "type": "text/plain", "content": "STATUS\n\nREASON\n"}
    entry = {"name": "r", "rule": "E11", "where": "client", "sentence": "It differs."}
    with_reasons = Row.from_table(
        {**entry, **page, "reasons": {"it is so (§1)": ["one"], "it isn't": ["two", "three"]}}
    )
    assert with_reasons.cases == ["one", "two", "three"]
    text = "200 OK\n\nit is so (§1)\n".encode()
    head = Part("head", START + b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(text))
    html = Part("head", START + b"Content-Type: text/html\r\nContent-Length: 50\r\n\r\n")
    assert with_reasons.apply(CASE, (html, Part("content", PAGE))) == (head, Part("content", text))
    with pytest.raises(ValueError, match="which cases"):
        Row.from_table({**entry, **page, "cases": ["one"], "reasons": {"it is so": ["one"]}})


def test_nothing_of_an_origin_server_is_kept_where_none_is_asked() -> None:
    kept = row(op="keep-lines", names=["Server"])
    alone = Case(name="one", about="the proxy answers", config="plain", steps=())
    own = Part("head", START + b"Server: <server>\r\n\r\n")
    assert kept.apply(alone, (own,)) == (own,)
    assert kept.apply(CASE, (own,)) == (Part("head", START + b"Server: o\r\n\r\n"),)


@pytest.mark.parametrize(
    "table",
    [
        {"op": "no-such-operation"},
        {**VIA, "where": "nowhere"},
        {"op": "add-line"},
        {"op": "add-line", "line": "A: 1", "names": ["A"]},
        {"op": "no-forward", "only": [1]},
        {**VIA, "cases": "one"},
    ],
)
def test_a_row_that_cannot_be_meant_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="row r"):
        row(**table)


def test_each_operation_says_what_it_takes() -> None:
    assert set(ARGUMENTS) == {*ON_HEADS, *ON_ENDS}


def test_the_field_lines_that_an_origin_server_sends() -> None:
    def lines(*sent: str) -> list[bytes]:
        steps = [{"send": text} for text in sent]
        return Case("c", "a case", "plain", (), answers=[steps]).origin_lines()

    assert CASE.origin_lines() == [b"x-b: 1\r\n", b"Content-Length: 2\r\n", b"Server: o\r\n"]
    assert lines("HTTP/1.1 200 OK\r\nA: ", "1\r\n", "\r\nB: 2\r\n\r\n") == [b"A: 1\r\n"]
    assert lines("HTTP/1.1 103 X\r\nA: 1\r\n\r\nHTTP/1.1 200 OK\r\nB: 2\r\n\r\n") == [b"A: 1\r\n", b"B: 2\r\n"]
    assert lines("HTTP/1.1 200 OK\nA: 1\n\nB: 2\n\n") == [b"A: 1\r\n"]
    assert lines("HTTP/1.1 200 OK\r\n\r\n") == []
    assert lines("HTTP/1.1 200 OK\r\nA: 1") == [b"A: 1\r\n"]
    assert lines("220 mail\r\nA: 1\r\n\r\n") == []


def test_content_belongs_to_the_head_before_it() -> None:
    connection = Part("connection")
    assert messages([connection, HEAD, BODY, BODY, HEAD, END]) == [[connection], [HEAD, BODY, BODY], [HEAD], [END]]


def normalised(data: bytes, kind: str = "head") -> bytes:
    (part,) = Normaliser({1234: "port"})([Part(kind, data)])
    return part.data


def test_only_what_a_proxy_made_up_is_normalised() -> None:
    now = formatdate(time.time(), usegmt=True).encode()
    assert normalised(b"date: %s\r\n" % now) == b"date: <date>\r\n"
    assert normalised(b"Server: nginx/1.22.1\r\nServer: underpass\r\n") == b"Server: <server>\r\nServer: <server>\r\n"
    assert normalised(b"Host: a:1234\r\n") == b"Host: a:<port>\r\n"
    for kept in (
        b"Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n",
        b"Date: %s\r\n" % now.replace(b"GMT", b"+0000"),
        b"Date: soon\r\n",
        b"X-Date: %s\r\n" % now,
        b"Server: origin/1\r\n",
        b"Server: nginx/1.22.1 (like)\r\n",
        b"Host: a:12345\r\n",
        b"Content-Length: 1234\r\n",
    ):
        assert normalised(kept) == kept
    assert normalised(b"Server: nginx/1.22.1\r\n", "content") == b"Server: nginx/1.22.1\r\n"


def test_every_byte_is_shown() -> None:
    parts = [Part("connection"), Part("head", b"A: \xe9\t\r\n\r\n"), Part("content", b"a\nb'\"\0"), END]
    assert render(parts) == [
        "== a new connection",
        "-- head",
        r"   A: \xe9\t\r\n",
        r"   \r\n",
        "-- content",
        r"   a\n",
        r"""   b\'"\x00""",
        "== end: open",
    ]


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (b"0\r\n\r\n", 5),
        (b"2;a=b\r\nok\r\n0\r\nX: 1\r\n\r\nrest", 22),
        (b"2\r\nok\r\n0\r\n", None),
        (b"2\r\nok\r\n", None),
        (b"", None),
    ],
)
def test_the_end_of_a_chunked_body(data: bytes, length: int | None) -> None:
    assert chunked_length(data) == length


def test_the_data_files_hold_together() -> None:
    cases, rows = load_cases(), load_rows()
    assert len(cases) >= 45
    known = {case.name for case in cases}
    for entry in rows:
        assert {*entry.unlike, *(entry.cases if entry.cases != "*" else ())} <= known, entry.name


def test_the_document_is_current() -> None:
    assert DOCUMENT.read_text() == document(load_rows()), "run: python -m differential.table --write"
