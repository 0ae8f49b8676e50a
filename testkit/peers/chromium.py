"""Headless Chromium, driven over its DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from harness import LOOPBACK, PATIENCE, wait_until

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-breakpad",
    "--no-proxy-server",
    # Nothing but loopback addresses, whatever the browser would like to ask for.
    f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {LOOPBACK}",
    "--window-size=1280,1200",
    "--remote-debugging-port=0",
]


class Browser:
    """A browser with an empty profile and one page."""

    def __init__(self, tmp_path: Path, proxy: str | None = None, flags: Sequence[str] = ()) -> None:
        """`proxy`: host and port of a proxy for everything, loopback addresses included; `flags`: more of the command
        line."""
        self._flags = [*FLAGS, *flags]
        if proxy is not None:
            self._flags.remove("--no-proxy-server")
            self._flags += [f"--proxy-server={proxy}", "--proxy-bypass-list=<-loopback>"]
        self._profile = tmp_path / "chromium"
        self._profile.mkdir()
        self._last_id = 0
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Browser:
        with (self._profile / "output").open("wb") as output:
            self._process = subprocess.Popen(
                ["chromium", *self._flags, f"--user-data-dir={self._profile}", "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            self._page = self._closing.enter_context(connect(self._page_url(), max_size=None, proxy=None))
            self.call("Page.enable")
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()
        self._kill()

    def open(self, url: str) -> None:
        """Goes to a page; its scripts have run when this returns."""
        loaded = self.call("Page.navigate", url=url)
        assert "errorText" not in loaded, loaded
        self.wait_for("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Polls until a JavaScript expression is true."""
        wait_until(lambda: bool(self.evaluate(condition)), condition)

    def screenshot(self, file: Path) -> None:
        """The page as a PNG file, after it was painted."""
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """A command of the DevTools protocol; events in between are dropped."""
        self._last_id += 1
        self._page.send(json.dumps({"id": self._last_id, "method": method, "params": parameters}))
        deadline = time.monotonic() + PATIENCE
        while True:
            message = json.loads(self._page.recv(max(0.0, deadline - time.monotonic())))
            if message.get("id") == self._last_id:
                assert "error" not in message, message
                return message["result"]

    def _page_url(self) -> str:
        told = self._profile / "DevToolsActivePort"

        def listening() -> bool:
            assert self._process.poll() is None, (self._profile / "output").read_text(errors="replace")
            return told.exists() and len(told.read_text().splitlines()) == 2

        wait_until(listening, "Chromium")
        port = told.read_text().splitlines()[0]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        pages: list[dict[str, str]] = []

        def has_page() -> bool:
            targets = json.load(opener.open(f"http://{LOOPBACK}:{port}/json/list", timeout=PATIENCE))
            pages[:] = [target for target in targets if target["type"] == "page"]
            return bool(pages)

        wait_until(has_page, "Chromium's page")
        return pages[0]["webSocketDebuggerUrl"]

    def _kill(self) -> None:
        # The whole session of processes that was started here, and no other.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
