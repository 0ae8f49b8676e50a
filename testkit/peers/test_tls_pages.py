"""`error_page 495`, `496` and `497`, beside nginx with the same file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from certificates import make_all
from harness import LOOPBACK, PATIENCE, Proxy, conf

HOSTS = ["none.test", "kept.test", "named.test", "own.test", "away.test", "moved.test", "named-location.test", "of-400.test"]
CLIENTS = ["without a certificate", "stranger", "late", "in clear"]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Certificates and keys, in a folder that everybody may look into."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        make_all(Path(folder))
        yield Path(folder)


@pytest.fixture(scope="module")
def both(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Proxy]]:
    """nginx and underpass with one file."""
    text = conf("tls-pages.conf")
    nginx, underpass = (
        Proxy(kind, text, tmp_path_factory.mktemp(kind), workers=1, folder=folder) for kind in ("nginx", "underpass")
    )
    with nginx, underpass:
        yield [nginx, underpass]


def answer(proxy: Proxy, folder: Path, host: str, client: str) -> tuple[str, str, bool]:
    """Status, `Location`, and whether the page came."""
    scheme, own = "https", ()
    if client == "in clear":
        scheme = "http"
    elif client != "without a certificate":
        own = ("--cert", str(folder / f"{client}.pem"), "--key", str(folder / f"{client}.key"))
    done = subprocess.run(
        [
            "curl", "--silent", "--insecure", "--http1.1", "--max-time", str(PATIENCE), "--noproxy", "*", *own,
            "--resolve", f"{host}:{proxy.port}:{LOOPBACK}", "--write-out", "|%{http_code}|%{redirect_url}",
            f"{scheme}://{host}:{proxy.port}/",
        ],
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    content, status, location = done.stdout.rsplit("|", 2)
    return status, location, content == "page."


@pytest.mark.underpass_only("both are run")
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("host", HOSTS)
def test_pages_for_the_errors_of_tls(both: list[Proxy], folder: Path, host: str, client: str) -> None:
    """A status that is kept is 400 with both: no client knows nginx's numbers."""
    nginx, ours = (answer(proxy, folder, host, client) for proxy in both)
    assert ours == nginx
    assert nginx[0] == "400" or host not in ("none.test", "kept.test", "named-location.test")
