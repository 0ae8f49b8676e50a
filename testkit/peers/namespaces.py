"""Two network namespaces with a cable between them, which can be cut: a peer then vanishes without a word."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from harness import Proxy, wait_until

NEAR, FAR = "192.0.2.1", "192.0.2.2"

_numbers = itertools.count()

_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"


class Namespaces:
    """`near` and `far`: what a command line begins with, so that it runs there. Both have a loopback interface of their
    own, and an address on the cable: `NEAR` and `FAR`. Nothing else is reachable from there, and nothing from elsewhere."""

    def __init__(self) -> None:
        number = next(_numbers)
        self._names = [f"underpass-{os.getpid()}-{number}-{end}" for end in ("near", "far")]
        self.near, self.far = (("ip", "netns", "exec", name) for name in self._names)

    def __enter__(self) -> Namespaces:
        near, far = self._names
        for name in self._names:
            _ip("netns", "add", name)
        _ip("link", "add", "cable", "netns", near, "type", "veth", "peer", "name", "cable", "netns", far)
        for name, address in zip(self._names, (NEAR, FAR), strict=True):
            _ip("-n", name, "address", "add", f"{address}/30", "dev", "cable")
            _ip("-n", name, "link", "set", "cable", "up")
            _ip("-n", name, "link", "set", "lo", "up")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in self._names:
            _ip("netns", "delete", name)

    def cut(self) -> None:
        """From now on every packet on the cable is lost, whoever sends it."""
        _ip("-n", self._names[1], "link", "set", "cable", "down")


class NearProxy(Proxy):
    """A proxy at the near end."""

    def __init__(
        self,
        namespaces: Namespaces,
        kind: str,
        config_text: str,
        tmp_path: Path,
        address: str = NEAR,
        **values: object,
    ) -> None:
        """`address`: where it listens."""
        super().__init__(kind, config_text, tmp_path, **values)
        self._inside = namespaces.near
        self._address = address

    def command(self) -> list[str]:
        return [*self._inside, *super().command()]

    def wait_until_accepting(self) -> None:
        def accepts() -> bool:
            self._fail_if_ended()
            command = [*self._inside, sys.executable, "-c", _CONNECT, self._address, str(self.port)]
            return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0

        wait_until(accepts, f"a listener on port {self.port}")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
