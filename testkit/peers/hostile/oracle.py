"""What must hold of a case, whichever proxy it was played through; and what underpass does."""

from __future__ import annotations

from dataclasses import dataclass

from .corpus import Case, bytes_of
from .play import Seen
from .strict import Fault, Response, read_response


@dataclass
class Final:
    """A final response, and whether it came whole."""

    response: Response
    whole: bool


def problems(case: Case, seen: Seen) -> list[str]:
    """Nothing, when no end was confused."""
    judge = Judge(case, seen)
    judge.judge()
    return judge.problems


def deviations(case: Case, seen: Seen) -> list[str]:
    """Nothing, when underpass did what the case says of it."""
    judge = Judge(case, seen)
    judge.judge()
    found = []
    statuses = tuple(final.response.status for final in judge.finals)
    if statuses != case.status:
        found.append(f"statuses: {statuses} instead of {case.status}")
    reached = tuple(request.line for request in seen.requests)
    if reached != case.reaches:
        found.append(f"requests at the origin server: {reached} instead of {case.reaches}")
    for request in [*seen.requests, *seen.begun]:
        names = dict([*request.lines, *request.trailers])
        found += [f"the origin server got {name!r}" for name in case.drops if name in names]
    found += [f"the client got {name!r}" for name in case.strips if name in judge.names]
    if 101 in statuses and (seen.up, judge.down) != (case.up or b"", case.down or b""):
        found.append(f"through the tunnel: {seen.up!r} and {judge.down!r}")
    return found


class Judge:
    """Collects what is wrong with one run of a case."""

    def __init__(self, case: Case, seen: Seen) -> None:
        self.case = case
        self.seen = seen
        self.problems: list[str] = []
        self.finals: list[Final] = []
        self.down = b""
        self.names: set[bytes] = set()

    def judge(self) -> None:
        """Everything."""
        self._client()
        self._origin()
        self._tunnel()
        self._probe()

    def _client(self) -> None:
        """What the client got are responses to what it asked, each for its own request."""
        data = self.seen.client
        if not self.seen.ending:
            self._blame("the client's connection never ends", data)
        while data:
            index = len(self.finals)
            ask = self.case.asks[index] if index < len(self.case.asks) else ""
            try:
                response = read_response(data, ask.partition(" ")[0])
            except Fault as fault:
                self._blame("the client can't read what it got", str(fault).encode())
                return
            if response is None:
                # Cut inside a head: recognisable.
                return
            if not ask:
                self._blame("the client got more responses than it asked for", data)
                return
            for name, _ in [*response.lines, *response.trailers]:
                self.names.add(name)
                if name in self.case.hides:
                    self._blame(f"the client got {name.decode()}", data)
            if self.case.http10 and (response.interim or response.value(b"transfer-encoding")):
                self._blame("a client of HTTP/1.0 got this", data)
            data = data[response.whole :] if response.whole is not None else b""
            if response.interim:
                continue
            whole = response.whole is not None or (response.until_close and self.seen.ending == "end")
            self.finals.append(Final(response, whole))
            self._response(self.finals[-1], index, ask)
            if response.status == 101:
                self.down = data
                return

    def _response(self, final: Final, index: int, ask: str) -> None:
        """A response belongs to its request, and is what the origin server said, or recognisably cut."""
        response = final.response
        number = response.value(b"x-answer")
        if number is not None:
            expected = b"" if ask.startswith(("HEAD ", "CONNECT ")) else bytes_of(f"answer to {ask}")
            fits = response.content == expected if final.whole else expected.startswith(response.content)
            asked = {str(n).encode(): request.line for n, request in enumerate(self.seen.requests)}
            if asked.get(number) != ask or not fits:
                self._blame(f"response {index} is not the answer to {ask}", response.content)
        elif response.status >= 400 or response.status == 101:
            # The proxy's own: a refusal. A 101 is judged with its tunnel.
            pass
        elif final.whole and response.content not in self.case.answers:
            self._blame(f"response {index} came as if it were whole", response.content)
        elif not final.whole and not any(
            content.startswith(response.content) for content in (b"", *self.case.answers, *self.case.cuts)
        ):
            self._blame(f"response {index} came cut", response.content)

    def _origin(self) -> None:
        """What the origin server got are requests that were asked, and its answers went to who asked."""
        case, seen = self.case, self.seen
        self.problems += [f"the origin server can't read what it got: {fault}" for fault in seen.faults]
        if case.refuse and seen.requests:
            self.problems.append("the origin server got a request that has to be refused")
        answered = {final.response.value(b"x-answer") for final in self.finals}
        position = 0
        for number, request in enumerate(seen.requests):
            if request.line not in case.asks[position:]:
                self.problems.append(f"the origin server got {request.line}, which nobody asked")
                continue
            position = case.asks.index(request.line, position) + 1
            content = case.content[position - 1] if position <= len(case.content) else b""
            if request.content != content:
                self._blame(f"the origin server got another content with {request.line}", request.content)
            ordinary = case.origin is None or request.target in ("/next", "/probe")
            # A reset may overtake an answer.
            if ordinary and str(number).encode() not in answered and seen.ending != "reset":
                self.problems.append(f"the client got no answer to {request.line}, which the origin server has")
        for request in [*seen.requests, *seen.begun]:
            for name in {name for name, _ in [*request.lines, *request.trailers]} & set(case.lacks):
                self.problems.append(f"the origin server got {name.decode()}")
            if case.no_upgrade and request.offers_upgrade:
                self.problems.append("the origin server was offered an upgrade")
            for line in case.keeps:
                if line not in request.lines:
                    self._blame("the origin server didn't get a field line", b": ".join(line))
            if case.host is not None and request.host != case.host:
                self._blame("the origin server got another host", request.host)

    def _tunnel(self) -> None:
        case, seen = self.case, self.seen
        switched = any(final.response.status == 101 for final in self.finals)
        if switched and case.up is None and case.down is None:
            self.problems.append("a tunnel opened")
        for who, carried, meant in (("origin server", seen.up, case.up), ("client", self.down, case.down)):
            if not (meant or b"").startswith(carried):
                self._blame(f"the {who} got through a tunnel", carried)

    def _probe(self) -> None:
        """The next client, on whatever connection to the origin server, gets its own answer."""
        try:
            response = read_response(self.seen.probe, "GET")
        except Fault as fault:
            self._blame("the next client can't read what it got", str(fault).encode())
            return
        if response is None or response.content != b"answer to GET /probe" or response.whole != len(self.seen.probe):
            self._blame("the next client got another answer", self.seen.probe)

    def _blame(self, what: str, data: bytes) -> None:
        self.problems.append(f"{what}: {data[:300]!r}")
