"""What the tests share: which proxy runs, and under which of the page's recipes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import drivers
from harness import Proxy, conf, default_kind

RECIPES = ["page-connection.conf", "page-map.conf"]

StartProxy = Callable[..., Proxy]


@pytest.fixture
def start_proxy(tmp_path: Path) -> Iterator[StartProxy]:
    """Starts the proxy under test with a configuration text; stops it after the test."""
    with ExitStack() as stack:

        def start(text: str, nginx_http: str = "", **values: object) -> Proxy:
            return stack.enter_context(Proxy(default_kind(), text, tmp_path, nginx_http=nginx_http, **values))

        yield start


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may read: a proxy that root starts reads password files as nobody."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(params=RECIPES)
def recipe(request: pytest.FixtureRequest) -> str:
    """Each of the page's two configurations."""
    return conf(request.param)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """nginx stands in for underpass where a test holds for any proxy; the others name the reason."""
    for item in items:
        marker = item.get_closest_marker("underpass_only")
        if marker is not None and default_kind() == "nginx":
            item.add_marker(pytest.mark.skip(reason=f"PEERS_PROXY=nginx: {marker.args[0]}"))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run of everything is what docs/evidence/drivers.md says it is."""
    chosen = session.config.invocation_params.args
    if exitstatus or chosen or default_kind() != "underpass":
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    passed = [report.nodeid.split("::")[0] for report in reporter.stats.get("passed", [])]
    wrong = drivers.check(passed)
    if wrong:
        reporter.write_line(wrong, red=True)
        session.exitstatus = 1
