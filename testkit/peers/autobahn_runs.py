"""Autobahn's cases, played directly and through the proxy in several ways at once, and what of them differs.

    autobahn_runs.py PYTHON2 PROXY FOLDER MESSAGES

`autobahn` has installed what this needs. MESSAGES is how many each case of compression sends. A run is an agent, which is
the suite's word for what it plays against:

- direct: the suite's own echo server. What comes of a case there is what has to come of it elsewhere;
- proxied, secured: through the proxy, in clear and under TLS;
- watched: the proxy sends Pings to the echo server every ten milliseconds, and knows a bound for messages that is above
  the longest of them. The suite takes each Ping that it sees itself for an event of its own, so it gets none;
- drained: the proxy is reloaded again and again while cases run, and ends their tunnels within a window.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

# The suite has so many cases, and so many of them compress: a run that leaves some out compares nothing there.
CASES, COMPRESSING = 517, 216
PINGS = 1000
DRAINED = 10

EVERYTHING = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]
COMPRESSION = ["12.*", "13.*"]
# Cases that are played one behind the other, the longest first: several such lists are played at a time.
PARTS = [
    ("watched", ["13.*"]),
    ("direct", ["13.*"]),
    ("watched", ["12.*"]),
    ("direct", ["12.*"]),
    ("secured", EVERYTHING),
    ("watched", EVERYTHING),
    ("proxied", EVERYTHING),
    ("direct", EVERYTHING),
    ("drained", EVERYTHING + COMPRESSION),
]
# Who plays which number of cases.
EXPECTED = {
    "direct": CASES,
    "watched": CASES,
    "drained": CASES,
    "proxied": CASES - COMPRESSING,
    "secured": CASES - COMPRESSING,
}

CONF = """
events {{ }}
error_log {folder}/error.log;
http {{
    access_log off;
    upstream echo {{ {origins} }}
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{secure} ssl;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        proxy_read_timeout 1h;
        location / {{ proxy_pass http://echo; }}
        location /watched {{
            proxy_pass http://echo;
            upgrade_ping_interval 10ms;
            upgrade_ping_timeout 2m;
            upgrade_ping_to upstream;
            upgrade_message_limit 17m;
        }}
    }}
}}
"""

# Reloads are for this one alone: each ends the tunnel of the case that is being played.
DRAINING = """
events {{ }}
error_log {folder}/error-draining.log notice;
http {{
    access_log off;
    upgrade_log {folder}/tunnels.log;
    upstream echo {{ {origins} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://echo;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_read_timeout 1h;
            upgrade_drain_on_reload on;
            upgrade_drain_window 200ms;
        }}
    }}
}}
"""

Report = dict[str, dict[str, object]]


@dataclass
class Suite:
    """The suite's own Python, and a folder for what comes of it."""

    python: str
    folder: Path
    messages: str

    @contextlib.contextmanager
    def serving(self, port: int, counts: Path) -> Iterator[None]:
        """An echo server."""
        with running([self.python, str(HERE / "autobahn_suite.py"), "serve", str(port), str(counts)], port):
            yield

    def play(self, agent: str, url: str, cases: list[str], number: int) -> Report:
        """Plays cases; what came of each."""
        outcome = self.folder / f"part-{number}"
        server = {"agent": agent, "url": url}
        excluded: dict[str, object] = {"exclude-cases": [], "exclude-agent-cases": {}}
        spec = {"outdir": str(outcome), "servers": [server], "cases": cases} | excluded
        written = self.folder / f"part-{number}.json"
        written.write_text(json.dumps(spec))
        with (self.folder / f"part-{number}.log").open("wb") as log:
            command = [self.python, str(HERE / "autobahn_suite.py"), "play", str(written), self.messages]
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
        report: Report = json.loads((outcome / "index.json").read_text())[agent]
        for of_case in report.values():
            whole = json.loads((outcome / str(of_case["reportfile"])).read_text())
            of_case["remoteCloseReason"] = whole["remoteCloseReason"]
        return report


@contextlib.contextmanager
def running(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that listens on a port of the loopback interface, until the end of the context."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"autobahn: {command[0]} does not listen")
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 5).close()
                break
            time.sleep(0.05)
        yield process
        if process.poll() is not None:
            sys.exit(f"autobahn: {command[0]} ended with {process.returncode}")
    finally:
        process.terminate()
        process.wait(60)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def play_all(suite: Suite, proxy: str) -> tuple[dict[str, Report], dict[str, int]]:
    """Plays everything; the reports by agent, and how many Pings of ours the echo servers have seen, by path."""
    workers = (os.cpu_count() or 1) + 1
    port, secure, draining, *origins = free_ports(3 + workers)
    servers = " ".join(f"server 127.0.0.1:{origin};" for origin in origins)
    files = {"nginx.conf": CONF, "draining.conf": DRAINING}
    for (name, text), listens in zip(files.items(), (port, draining), strict=True):
        text = text.format(folder=suite.folder, port=listens, secure=secure, origins=servers)
        (suite.folder / name).write_text(text)
    urls = {
        "proxied": f"ws://127.0.0.1:{port}/proxied",
        "secured": f"wss://127.0.0.1:{secure}/secured",
        "watched": f"ws://127.0.0.1:{port}/watched",
        "drained": f"ws://127.0.0.1:{draining}/drained",
    }
    counts = [suite.folder / f"pings-{origin}.json" for origin in origins]
    with contextlib.ExitStack() as stack:
        for origin, count in zip(origins, counts, strict=True):
            stack.enter_context(suite.serving(origin, count))
        stack.enter_context(running([proxy, "-c", str(suite.folder / "nginx.conf")], port))
        drained = stack.enter_context(running([proxy, "-c", str(suite.folder / "draining.conf")], draining))
        reports = play_parts(suite, origins, urls, drained)
    pings: dict[str, int] = {}
    for count in counts:
        for path, number in json.loads(count.read_text()).items():
            pings[path] = pings.get(path, 0) + number
    return reports, pings


def play_parts(
    suite: Suite, origins: list[int], urls: dict[str, str], drained: subprocess.Popen[bytes]
) -> dict[str, Report]:
    """As many parts at a time as there are echo servers."""
    parts: queue.SimpleQueue[tuple[int, tuple[str, list[str]]]] = queue.SimpleQueue()
    for part in enumerate(PARTS):
        parts.put(part)
    reports: dict[str, Report] = {}
    failures: list[BaseException] = []

    def work(origin: int) -> None:
        direct = {"direct": f"ws://127.0.0.1:{origin}/direct"}
        try:
            while True:
                number, (agent, cases) = parts.get_nowait()
                begun = time.monotonic()
                with reloading(drained) if agent == "drained" else contextlib.nullcontext():
                    report = suite.play(agent, (urls | direct)[agent], cases, number)
                print(f"autobahn, {agent}: {len(report)} cases in {time.monotonic() - begun:.0f} s", flush=True)
                reports.setdefault(agent, {}).update(report)
        except queue.Empty:
            pass
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(origin,)) for origin in origins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return reports


@contextlib.contextmanager
def reloading(proxy: subprocess.Popen[bytes]) -> Iterator[None]:
    """Reloads the proxy again and again."""
    stop = threading.Event()

    def reload() -> None:
        while not stop.wait(0.25):
            proxy.send_signal(signal.SIGHUP)

    thread = threading.Thread(target=reload)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def behaviour(of_case: dict[str, object]) -> tuple[str, str]:
    """NON-STRICT is the suite's word for a case passed in another order of events, which timing decides."""
    return str(of_case["behavior"]).replace("NON-STRICT", "OK"), str(of_case["behaviorClose"])


def is_drained(of_case: dict[str, object]) -> bool:
    """Whether the suite has got our Close, which it finds at a boundary only: inside of another frame it is content."""
    return (of_case["remoteCloseCode"], of_case["remoteCloseReason"]) == (1012, "service restart")


def judge(reports: dict[str, Report], pings: dict[str, int], log: str) -> list[str]:
    """What is wrong with a run."""
    wrong = []
    for agent, count in EXPECTED.items():
        if len(reports.get(agent, {})) != count:
            wrong.append(f"of {count} cases {len(reports.get(agent, {}))} were played {agent}")
    direct = reports["direct"]
    missing = [case for case, of_case in direct.items() if of_case["behavior"] == "UNIMPLEMENTED"]
    if missing:
        wrong.append(f"the echo server does not implement {missing}")
    for agent in EXPECTED.keys() - {"direct"}:
        differ = {
            case: (behaviour(direct[case]), behaviour(of_case))
            for case, of_case in reports.get(agent, {}).items()
            if behaviour(direct[case]) != behaviour(of_case) and not (agent == "drained" and is_drained(of_case))
        }
        if differ:
            wrong.append(f"{agent}, these cases differ from the direct run: {differ}")
    suites, ours = pings.get("/direct", 0), pings.get("/watched", 0) - pings.get("/direct", 0)
    print(f"autobahn: the echo servers got {ours} Pings of the proxy's, beside {suites} of the suite's that look alike")
    if ours < PINGS or any(pings.get(path, 0) != suites for path in ("/proxied", "/secured")):
        wrong.append(f"{PINGS} Pings are expected of the watched run, and none of others: {pings}")
    drained = [case for case, of_case in reports.get("drained", {}).items() if is_drained(of_case)]
    told = sum(json.loads(line)["ended_by"] == "drain" for line in log.splitlines() if '"close"' in line)
    print(f"autobahn: {len(drained)} cases were ended by our 1012; the log has {told} tunnels that a drain has ended")
    if len(drained) < DRAINED or told < len(drained):
        wrong.append(f"{DRAINED} drained cases are expected at least, and each in the log")
    return wrong


def main(python: str, proxy: str, folder: str, messages: str) -> None:
    suite = Suite(python, Path(folder), messages)
    reports, pings = play_all(suite, proxy)
    wrong = judge(reports, pings, (suite.folder / "tunnels.log").read_text())
    for sentence in wrong:
        print(f"autobahn: {sentence}", file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"autobahn: {CASES} cases are the same through the proxy")


if __name__ == "__main__":
    # Whoever ends this ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main(*sys.argv[1:])
