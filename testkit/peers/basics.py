"""Ports, waiting, and what /proc tells of a process: the harness rests on it."""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LOOPBACK = "127.0.0.1"

# Bounds for hangs only: nothing here asserts that something is fast.
PATIENCE = 60.0

# Below the range from which Linux takes the ports of outgoing connections:
# between being found free and being listened on, none of them can take it.
PORTS = range(20_000, 32_000)

_handed_out: set[int] = set()


def free_port() -> int:
    """A loopback port that nothing listens on and that was not handed out before."""
    for port in random.sample(PORTS, len(PORTS)):
        if port in _handed_out:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        _handed_out.add(port)
        return port
    raise AssertionError("no free port")


def wait_until(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Polls until `condition()` holds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:.0f} s for {what}")
        time.sleep(0.02)


def wait_until_accepting(port: int, check: Callable[[], None] = lambda: None) -> None:
    """Polls until something accepts connections on the loopback port."""

    def accepts() -> bool:
        check()
        try:
            socket.create_connection((LOOPBACK, port), 5).close()
        except OSError:
            return False
        return True

    wait_until(accepts, f"a listener on port {port}")
    check()


def process_tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    return [pid, *(below for child in _children(pid) for below in process_tree(child))]


def open_files(pid: int) -> set[str]:
    """The files that a process, or one that descends from it, has open at this moment."""
    files = set()
    for each in process_tree(pid):
        for descriptor in Path(f"/proc/{each}/fd").iterdir():
            # One may be closed meanwhile.
            with contextlib.suppress(FileNotFoundError):
                files.add(os.readlink(descriptor))
    return files


def private_kib(pid: int, kinds: str = "Clean|Dirty|Hugetlb") -> int:
    """Memory that a process shares with nobody."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(size) for size in re.findall(rf"^Private_(?:{kinds}):\s+(\d+) kB", text, re.MULTILINE))


def cpu_seconds(pid: int) -> float:
    """Processor time that a process and all that descend from it have used."""
    return sum(_ticks(each) for each in process_tree(pid)) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    # Behind the command's name, which may hold anything: utime and stime are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield from map(int, task.read_text().split())
