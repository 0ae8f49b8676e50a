"""Real processes and real sockets for the peer tests.

`Proxy` runs a proxy (underpass, or Debian's nginx to compare with) under a
configuration text, `RawOrigin` is an origin server whose every byte is
scripted. Everything listens on the loopback interface only.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from pathlib import Path
from types import TracebackType

from basics import (
    HERE,
    LOOPBACK,
    PATIENCE,
    ROOT,
    free_port,
    open_files,
    private_kib,
    process_tree,
    wait_until,
    wait_until_accepting,
)
from raworigin import Connection, RawOrigin

__all__ = [
    "HERE",
    "LOOPBACK",
    "PATIENCE",
    "ROOT",
    "Connection",
    "PeakMemory",
    "Proxy",
    "RawOrigin",
    "conf",
    "default_kind",
    "free_port",
    "open_files",
    "process_tree",
    "program",
    "underpass_binary",
    "wait_until",
    "wait_until_accepting",
]

PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


def default_kind() -> str:
    """The proxy under test: underpass, unless PEERS_PROXY says nginx."""
    return os.environ.get("PEERS_PROXY", "underpass")


def underpass_binary() -> Path:
    """UNDERPASS_BIN, or what `cargo build --release` left."""
    return Path(os.environ.get("UNDERPASS_BIN", ROOT / "target" / "release" / "underpass"))


def program() -> str:
    """What the binary under test calls itself, at the beginning of each line that it says."""
    return underpass_binary().name


def conf(name: str) -> str:
    """The text of a configuration template in `conf/`."""
    return (HERE / "conf" / name).read_text()


class Proxy:
    """A running proxy.

    Each `{{name}}` in the text becomes the keyword argument of that name, or
    else a free port; `{{port}}` is the port that the tests talk to. The text is
    the same for both kinds: what only nginx needs (pid and temporary files away
    from the system's) is added on the line of `http {`, so line numbers stay;
    `nginx_http` are more directives of that sort, for what a test wants of nginx.

    Relative log paths are relative to `tmp_path`; `access_log()` reads
    `access.log` there. On exit the proxy gets TERM and must exit with status 0.
    """

    def __init__(
        self,
        kind: str,
        config_text: str,
        tmp_path: Path,
        *,
        nginx_http: str = "",
        **values: object,
    ) -> None:
        if kind not in ("underpass", "nginx"):
            raise ValueError(f"no such proxy: {kind}")
        self.kind = kind
        self.prefix = Path(tmp_path) / kind
        self.nginx_http = nginx_http
        self.values: dict[str, str] = {name: str(value) for name, value in values.items()}
        self.text = self._substitute(config_text)
        self.config_file = self.prefix / "nginx.conf"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """The port of `{{port}}`."""
        return int(self.values["port"])

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect to."""
        return (LOOPBACK, self.port)

    @property
    def authority(self) -> str:
        """Host and port as a URL has them."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process, once it was started."""
        if self._process is None:
            raise RuntimeError("the proxy was not started")
        return self._process

    @property
    def pid(self) -> int:
        """The first process of the proxy's process tree."""
        return self.process.pid

    def __enter__(self) -> Proxy:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self._reap()
        if error is None and status != 0:
            raise AssertionError(f"{self.kind} ended with status {status}; its error log:\n{self.error_log()}")
        if error is not None:
            error.add_note(f"{self.kind}'s error log:\n{self.error_log()[-4000:]}")

    def write(self) -> None:
        """Writes the file."""
        self.prefix.mkdir(parents=True, exist_ok=True)
        self.config_file.write_text(self._nginx_text() if self.kind == "nginx" else self.text)

    def start(self) -> None:
        """Writes the file, starts the binary, returns when it accepts."""
        self.write()
        with (self.prefix / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, cwd=self.prefix
            )
        try:
            self.wait_until_accepting()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def wait_until_accepting(self) -> None:
        """Until it accepts connections, or has ended."""
        wait_until_accepting(self.port, self._fail_if_ended)

    def rewrite(self, config_text: str, **values: object) -> None:
        """Changes the file, which a running proxy reads at the next HUP; earlier values hold on."""
        self.values.update({name: str(value) for name, value in values.items()})
        self.text = self._substitute(config_text)
        self._write()

    def command(self) -> list[str]:
        """The command line, without a shell."""
        if self.kind == "underpass":
            return [str(underpass_binary()), "-p", f"{self.prefix}/", "-c", str(self.config_file)]
        main = "" if self._has("daemon") else "daemon off;"
        if not self._has("pid"):
            main += f" pid {self.prefix}/nginx.pid;"
        if os.geteuid() == 0 and not self._has("user"):
            # The worker must reach its temporary files below a private folder.
            main += " user root;"
        return ["nginx", "-e", "stderr", "-p", f"{self.prefix}/", "-c", str(self.config_file), "-g", main]

    def rss_kib(self) -> int:
        """Private memory of the whole process tree."""
        return sum(private_kib(pid) for pid in process_tree(self.pid))

    def written_kib(self) -> int:
        """The part of `rss_kib` that was written to: code that runs for the first time is not in it."""
        return sum(private_kib(pid, "Dirty") for pid in process_tree(self.pid))

    def error_log(self) -> str:
        """What the proxy wrote to its standard error, and to `error.log` if it has one."""
        texts = []
        for name in ("stderr", "error.log"):
            with contextlib.suppress(FileNotFoundError):
                texts.append((self.prefix / name).read_text(errors="replace"))
        return "".join(texts)

    def access_log(self) -> str:
        """`access.log`, empty when there is none yet."""
        try:
            return (self.prefix / "access.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def wait_for_access_log(self, lines: int = 1) -> list[str]:
        """The access log's lines, as soon as there are `lines`."""
        wait_until(lambda: len(self.access_log().splitlines()) >= lines, "the access log's lines")
        return self.access_log().splitlines()

    def wait_for_exit(self, patience: float = PATIENCE) -> int:
        """Waits until the process has ended by itself; its exit status."""
        return self.process.wait(patience)

    def _write(self) -> None:
        self.config_file.write_text(self._nginx_text() if self.kind == "nginx" else self.text)

    def _substitute(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            return self.values.setdefault(match[1], str(free_port()))

        return PLACEHOLDER.sub(value, text)

    def wait_until_closed(self, path: Path) -> None:
        """Until no process has the file open any more: that another one is there doesn't show that it is written to."""
        wait_until(lambda: str(path) not in open_files(self.pid), f"{path} to be closed")

    def _nginx_text(self) -> str:
        own = "".join(
            f" {name}_temp_path {self.prefix}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            if not self._has(f"{name}_temp_path")
        )
        if "access_log" not in self.text:
            own += " access_log off;"
        own += f" {self.nginx_http}"
        text, count = re.subn(r"^(\s*http\s*\{)", lambda match: match[1] + own, self.text, count=1, flags=re.MULTILINE)
        if count != 1:
            raise ValueError("the configuration has no http block")
        return text

    def _has(self, directive: str) -> bool:
        return re.search(rf"^\s*{directive}\s", self.text, re.MULTILINE) is not None

    def _fail_if_ended(self) -> None:
        if self.process.poll() is not None:
            raise AssertionError(f"{self.kind} ended with {self.process.returncode}:\n{self.error_log()}")

    def _reap(self) -> int:
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            for pid in reversed(process_tree(self.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"{self.kind} ignored TERM; its error log:\n{self.error_log()}") from None


class PeakMemory:
    """Samples a proxy's private memory in a thread, for as long as the context lasts."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._before_kib = self._peak_kib = self._proxy.rss_kib()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)
        self._take()

    @property
    def growth_kib(self) -> int:
        """The highest sample less the first."""
        return self._peak_kib - self._before_kib

    def _sample(self) -> None:
        while not self._stop.wait(0.02):
            self._take()

    def _take(self) -> None:
        self._peak_kib = max(self._peak_kib, self._proxy.rss_kib())
