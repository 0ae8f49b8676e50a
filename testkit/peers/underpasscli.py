"""The command `underpass` with arguments of its own, where `Proxy` has too many."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from harness import PATIENCE, underpass_binary, wait_until_accepting


def run_underpass(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs to the end, which must come by itself."""
    return subprocess.run(
        [str(underpass_binary()), *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


class Running:
    """An `underpass` that runs."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    def output(self) -> str:
        """What it has written so far to either stream."""
        return self._output.read_text()

    def check(self) -> None:
        """Fails when it has ended."""
        assert self.process.poll() is None, self.output()


@contextlib.contextmanager
def underpass_running(tmp_path: Path, port: int, *arguments: object) -> Iterator[Running]:
    """Starts it, waits until it accepts on `port`; stops it with TERM, to which it answers with status 0."""
    output = tmp_path / "underpass-output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [str(underpass_binary()), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=tmp_path,
        )
    running = Running(process, output)
    try:
        wait_until_accepting(port, running.check)
        yield running
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, running.output()
    finally:
        process.kill()
        process.wait()
