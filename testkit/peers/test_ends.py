"""`docs/evidence/tunnels.md`: what peers and the log get of each cause that ends a tunnel, and how a drain is spread.
With UPDATE_SNAPSHOTS in the environment the page becomes what the run has seen."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

import ends
from conftest import StartProxy
from harness import ROOT
from wspeers import Client, Origin

pytestmark = pytest.mark.underpass_only("rules G are underpass's own")

PAGE = ROOT / "docs" / "evidence" / "tunnels.md"

TUNNELS, WINDOW, BINS = 2000, 20, 20
# The moments are drawn by chance: 100 are to be expected in a bin. Beyond these bounds it is not chance any more, nor a
# machine that stood still for half a second.
FEWEST, MOST = 40, 170
# For a machine that is late.
PATIENCE = 10

CROWD = """
worker_processes 2;
worker_shutdown_timeout 10m;
events { worker_connections 8192; }
http {
    access_log off;
    error_log error.log;
    log_format moments '$msec $tunnel_event $tunnel_ended_by $tunnel_ended_how $tunnel_close_client $tunnel_close_upstream';
    upgrade_log tunnels.log moments;
    upgrade_drain_window {{window}}s;
    server {
        listen 127.0.0.1:{{port}} backlog=4096;
        location / {
            proxy_pass http://127.0.0.1:{{origin}};
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_read_timeout 1h;
        }
    }
}
"""


def test_the_causes_are_those_of_the_rule() -> None:
    rule = (ROOT / "docs" / "design" / "behaviour.md").read_text()
    assert f"`$tunnel_ended_by` ({', '.join(ends.CAUSES)})" in rule
    assert list(dict.fromkeys(scenario.cause for scenario in ends.SCENARIOS)) == ends.CAUSES


@pytest.mark.parametrize("kind", ["websockets", "ws"])
def test_each_cause_of_an_end(kind: str, tmp_path: Path) -> None:
    table = ends.HEADER + "".join(ends.rows(kind, tmp_path))
    page = PAGE.read_text()
    pattern = re.compile(re.escape(ends.HEADER) + r"(?:\|.*\n)*")
    assert len(pattern.findall(page)) == 1
    if pattern.findall(page) == [table]:
        return
    if "UPDATE_SNAPSHOTS" in os.environ:
        PAGE.write_text(pattern.sub(lambda _: table, page))
        return
    raise AssertionError(f"{PAGE} is not what this run has seen (UPDATE_SNAPSHOTS=1 writes it):\n{table}")


def test_a_drain_is_spread_over_its_window(start_proxy: StartProxy) -> None:
    with Origin("ws") as origin:
        proxy = start_proxy(CROWD, origin=origin.port, window=WINDOW)
        with Client("ws", f"ws://{proxy.authority}/", count=TUNNELS, stay=True) as client:
            assert client.expect("all-open")["count"] == TUNNELS
            begin = time.time()
            proxy.process.send_signal(signal.SIGQUIT)
            assert client.expect("all-closed")["counts"] == {"1012 service restart": TUNNELS}
        assert proxy.wait_for_exit() == 0
    lines = [line.split(" ", 2) for line in (proxy.prefix / "tunnels.log").read_text().splitlines()]
    closes = [(float(at) - begin, how) for at, event, how in lines if event == "close"]
    assert len(closes) == TUNNELS
    # `worker_shutdown_timeout` has ended none of them: each has had its own moment.
    assert {how for _, how in closes} == {"drain close 1012 1012"}
    assert max(at for at, _ in closes) < WINDOW + PATIENCE
    bins = [0] * BINS
    for at, _ in closes:
        # A Close is answered a little after its moment.
        bins[min(int(at * BINS / WINDOW), BINS - 1)] += 1
    assert all(FEWEST <= count <= MOST for count in bins), bins
    if "UPDATE_SNAPSHOTS" in os.environ:
        write_histogram(os.environ.get("UNDERPASS_SHELL", "tokio"), bins)


def write_histogram(driver: str, bins: list[int]) -> None:
    """The page's picture of this driver's run."""
    step = WINDOW / BINS
    picture = "".join(
        f"{number * step:>2.0f}-{(number + 1) * step:<2.0f} s {count:>4} {'#' * round(count / 2)}\n"
        for number, count in enumerate(bins)
    )
    heading = f"### {driver}\n\n```text\n"
    page = PAGE.read_text()
    before, found, after = page.partition(heading)
    assert found, f"{PAGE} has no place for {driver}"
    PAGE.write_text(before + heading + picture + after[after.index("```") :])
