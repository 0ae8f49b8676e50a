"""The command: its files, its signals, its logs, its errors."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartProxy
from harness import (
    LOOPBACK,
    PATIENCE,
    Connection,
    Proxy,
    RawOrigin,
    conf,
    free_port,
    program,
    underpass_binary,
    wait_until,
)
from rawclient import SWITCHING, RawClient, upgrade_request
from underpasscli import run_underpass, underpass_running
from wspeers import Client, Origin

own_words = pytest.mark.underpass_only("the words and options of underpass's own command")


def echo(connection: Connection) -> None:
    """An origin server: tunnels echo, other requests get a short answer."""
    while head := connection.recv_head():
        if b"\r\nupgrade:" in head.lower():
            connection.send(SWITCHING)
            while data := connection.recv():
                connection.send(data)
            return
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")


@pytest.fixture
def origin() -> Iterator[RawOrigin]:
    with RawOrigin(echo) as origin:
        yield origin


@pytest.fixture(params=[1, 2], ids=["1 worker", "2 workers"])
def proxy(request: pytest.FixtureRequest, start_proxy: StartProxy, origin: RawOrigin) -> Proxy:
    return start_proxy(conf("cli.conf"), origin=origin.port, workers=request.param)


def open_tunnel(proxy: Proxy) -> RawClient:
    client = RawClient(proxy)
    client.send(upgrade_request())
    assert client.response().status == 101
    return client


def assert_echoes(client: RawClient, data: bytes = b"hello") -> None:
    client.send(data)
    assert client.recv_exactly(len(data)) == data


def refuses(proxy: Proxy) -> bool:
    """Nobody listens any more."""
    try:
        socket.create_connection(proxy.address, 5).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        # The listener closed between this connection and its acceptance: asked again, it says.
        return False
    return False


def test_quit_drains(proxy: Proxy) -> None:
    with open_tunnel(proxy) as tunnel, open_tunnel(proxy) as other, RawClient(proxy) as idle:
        assert_echoes(tunnel)
        idle.send(b"GET /text HTTP/1.1\r\nHost: h\r\n\r\n")
        assert idle.response().body == b"text"

        proxy.process.send_signal(signal.SIGQUIT)
        wait_until(lambda: refuses(proxy), "the listeners to close")
        assert idle.recv() == b"", "an idle connection ends at once"
        assert_echoes(tunnel)
        other.sock.close()
        time.sleep(1)
        assert proxy.process.poll() is None
        assert_echoes(tunnel, b"still here" * 1000)
    assert proxy.wait_for_exit() == 0


def test_quit_with_nothing_open(proxy: Proxy) -> None:
    proxy.process.send_signal(signal.SIGQUIT)
    assert proxy.wait_for_exit() == 0
    assert refuses(proxy)


def test_quit_lets_a_request_finish(start_proxy: StartProxy) -> None:
    def script(connection: Connection) -> None:
        assert connection.recv_head() is not None
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        wait_until(lambda: refuses(proxy), "the listener to close")
        connection.send(b"-last")

    with RawOrigin(script) as origin:
        proxy = start_proxy(conf("cli.conf"), origin=origin.port, workers=1, nginx_http="proxy_buffering off;")
        with RawClient(proxy) as client:
            client.send(b"GET /chat/slow HTTP/1.1\r\nHost: h\r\n\r\n")
            head = client.response(to_head=True)
            assert head.status == 200
            proxy.process.send_signal(signal.SIGQUIT)
            assert client.recv_exactly(10) == b"first-last"
            assert client.recv() == b""
        assert proxy.wait_for_exit() == 0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_stop(proxy: Proxy, name: str) -> None:
    with open_tunnel(proxy) as tunnel:
        assert_echoes(tunnel)
        proxy.process.send_signal(getattr(signal, name))
        assert proxy.wait_for_exit() == 0
        assert tunnel.recv() == b""


def test_return(proxy: Proxy) -> None:
    with RawClient(proxy) as client:
        for _ in range(2):
            client.send(b"GET /text HTTP/1.1\r\nHost: h\r\n\r\n")
            response = client.response()
            assert (response.status, response.body) == (200, b"text")
            assert response.header("Content-Length") == "4"
            client.send(b"GET /gone HTTP/1.1\r\nHost: h\r\n\r\n")
            assert client.response().status == 410
        client.send(b"GET /elsewhere HTTP/1.1\r\nHost: h\r\n\r\n")
        assert client.response().status == 404


def test_logs(proxy: Proxy, origin: RawOrigin) -> None:
    with open_tunnel(proxy) as tunnel:
        assert_echoes(tunnel, b"x" * 12_345)
        # A tunnel is logged when it is over.
        assert proxy.access_log() == ""
    (line,) = proxy.wait_for_access_log()
    assert re.fullmatch(
        r"127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "
        r'"GET /chat/raw HTTP/1\.1" 101 12345 "-" "-"',
        line,
    ), line
    with RawClient(proxy) as client:
        client.send(
            b'GET /text?a="b HTTP/1.1\r\nHost: h\r\nUser-Agent: one "agent" \\\r\n'
            b"Referer: http://h/\r\nX-Note: \xff\r\n\r\n"
        )
        assert client.response().status == 200
    line = proxy.wait_for_access_log(2)[1]
    assert line.endswith(r'"GET /text?a=\x22b HTTP/1.1" 200 4 "http://h/" "one \x22agent\x22 \x5C"'), line
    short = proxy.prefix / "short.log"
    wait_until(lambda: short.read_text().count("\n") == 2, "the other log's lines")
    assert short.read_text().splitlines() == [
        f"101|raw-bytes|127.0.0.1:{origin.port}|GET /chat/raw|-",
        r"200|-|-|GET /text?a=\x22b|\xFF",
    ]


def test_pid_file(proxy: Proxy) -> None:
    file = proxy.prefix / "proxy.pid"
    wait_until(lambda: file.exists() and file.read_text() != "", "the pid file")
    assert int(file.read_text()) == proxy.pid
    proxy.process.send_signal(signal.SIGQUIT)
    assert proxy.wait_for_exit() == 0
    assert not file.exists()


def test_include(start_proxy: StartProxy, origin: RawOrigin, tmp_path: Path) -> None:
    """Relative to the main file's folder; a mask that matches nothing is no error."""
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "one.conf").write_text('location = /one { return 200 "one"; }\n')
    (folder / "two.conf").write_text('location = /two { return 200 "two"; }\n')
    server = "include ../parts/*.conf; include ../nothing/*.conf;\n\n        location /chat/"
    proxy = start_proxy(conf("cli.conf").replace("location /chat/", server), origin=origin.port, workers=1)
    with RawClient(proxy) as client:
        for name in (b"one", b"two"):
            client.send(b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n" % name)
            assert client.response().body == name


def write_conf(tmp_path: Path, text: str, **values: object) -> Path:
    """A file for a command line of the test's own."""
    proxy = Proxy("underpass", text, tmp_path, nginx_http="", **values)
    proxy.prefix.mkdir(exist_ok=True)
    proxy.config_file.write_text(proxy.text)
    return proxy.config_file


def run_file(file: Path, *arguments: object) -> tuple[int, str]:
    """Status and standard error of `underpass -c FILE`, which must end by itself."""
    done = run_underpass("-p", f"{file.parent}/", "-c", file, *arguments)
    return done.returncode, done.stderr


def server(text: str) -> str:
    """A whole file, `text` in its server block on line 4."""
    return f"events {{}}\nhttp {{\n    server {{\n{text}\n    }}\n}}\n"


# What the text is, the line, the columns that are right (of the directive, or of
# the value that is wrong), and what tells the reader how to mend it.
BROKEN = {
    "misspelt": (server("        location / { prxy_pass http://127.0.0.1:1; }"), 4, {22}, "proxy_pass"),
    "unknown": (server("        grzflmpf on;"), 4, {9}, "unknown directive"),
    "not allowed here": (server("        worker_processes 1;"), 4, {9}, "worker_processes.* not allowed here"),
    "no value": (server("        listen 8080;\n        server_name;"), 5, {9}, "number of arguments"),
    "bad port": (server("        listen 99999;"), 4, {9, 16}, "port"),
    "bad time": (server("        listen 8080; proxy_read_timeout soon;"), 4, {22, 41}, "proxy_read_timeout"),
    "bad url": (server("        location / { proxy_pass 127.0.0.1:1; }"), 4, {22, 33}, "http://"),
    "duplicate": (server("        proxy_read_timeout 1s;\n        proxy_read_timeout 2s;"), 5, {9}, "duplicate"),
    "unknown variable": (server("        return 200 $no_such_variable;"), 4, {9, 20}, "no_such_variable"),
}


@own_words
@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("option", [[], ["-t"]], ids=["start", "test"])
def test_broken_file(tmp_path: Path, case: str, option: list[str]) -> None:
    text, line, columns, mend = BROKEN[case]
    file = write_conf(tmp_path, text)
    status, errors = run_file(file, *option)
    assert status == 1
    assert errors.startswith(f"{program()}: [emerg] "), errors
    place = re.search(rf"{re.escape(str(file))}:(\d+):(\d+)", errors)
    assert place is not None, errors
    assert int(place[1]) == line and int(place[2]) in columns, errors
    assert re.search(mend, errors), errors


# A parser notices these where it can go on no longer, so only the lines are certain.
UNFINISHED = {
    "no semicolon": (server("        listen 8080\n        server_name h;"), {4, 5}, ";"),
    "no brace": ("events {}\nhttp {\n    server {\n        listen 8080;\n    }\n", {2, 5, 6}, "}"),
    "brace too much": ("events {}\nhttp {\n}\n}\n", {4}, "}"),
    "open quote": (server('        return 200 "text;'), {4, 5, 6, 7}, '"'),
}


@own_words
@pytest.mark.parametrize("case", UNFINISHED)
def test_unfinished_file(tmp_path: Path, case: str) -> None:
    text, lines, mend = UNFINISHED[case]
    file = write_conf(tmp_path, text)
    status, errors = run_file(file)
    assert status == 1
    assert errors.startswith(f"{program()}: [emerg] "), errors
    place = re.search(rf"{re.escape(str(file))}:(\d+):\d+", errors)
    assert place is not None and int(place[1]) in lines, errors
    assert mend in errors


@own_words
def test_broken_file_that_is_included(tmp_path: Path) -> None:
    part = tmp_path / "part.conf"
    part.write_text("# nothing\n  prxy_pass http://127.0.0.1:1;\n")
    file = write_conf(tmp_path, server(f"        location / {{ include {part}; }}"))
    status, errors = run_file(file)
    assert status == 1
    assert f"{part}:2:3" in errors


@own_words
@pytest.mark.parametrize("option", [[], ["-t"]], ids=["start", "test"])
def test_missing_include(tmp_path: Path, option: list[str]) -> None:
    file = write_conf(tmp_path, server("        include not-there.conf;"))
    status, errors = run_file(file, *option)
    assert status == 1
    assert str(file.parent / "not-there.conf") in errors
    assert "No such file or directory" in errors
    assert f"{file}:4:" in errors


@own_words
def test_missing_file(tmp_path: Path) -> None:
    status, errors = run_file(tmp_path / "not-there.conf")
    assert status == 1
    assert str(tmp_path / "not-there.conf") in errors
    assert "No such file or directory" in errors


@own_words
def test_unresolvable_upstream(tmp_path: Path) -> None:
    name = "no-such-host.invalid"
    for text in (
        server(f"        listen 127.0.0.1:{free_port()}; location / {{ proxy_pass http://{name}; }}"),
        server(f"        listen 127.0.0.1:{free_port()}; location / {{ proxy_pass http://group; }}").replace(
            "http {", f"http {{ upstream group {{ server {name}; }}"
        ),
    ):
        file = write_conf(tmp_path, text)
        status, errors = run_file(file)
        assert status == 1
        assert re.search(rf'host not found in upstream "{re.escape(name)}', errors), errors
        assert re.search(rf"{re.escape(str(file))}:[24]:\d+", errors), errors


@own_words
@pytest.mark.parametrize("workers", [1, 2])
def test_port_in_use(tmp_path: Path, workers: int) -> None:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        port = listener.getsockname()[1]
        file = write_conf(tmp_path, conf("cli.conf"), port=port, origin=1, workers=workers)
        status, errors = run_file(file)
    assert status == 1
    assert f"127.0.0.1:{port}" in errors
    assert "in use" in errors


@own_words
def test_started_twice(proxy: Proxy) -> None:
    """However the workers share a port, a second underpass doesn't."""
    wait_until((proxy.prefix / "proxy.pid").exists, "the pid file")
    status, errors = run_file(proxy.config_file)
    assert status == 1
    assert proxy.authority in errors
    assert "in use" in errors
    with RawClient(proxy) as client:
        client.send(b"GET /text HTTP/1.1\r\nHost: h\r\n\r\n")
        assert client.response().status == 200
    assert int((proxy.prefix / "proxy.pid").read_text()) == proxy.pid


@own_words
def test_a_good_file(tmp_path: Path) -> None:
    file = write_conf(tmp_path, conf("cli.conf"), origin=free_port(), workers="auto")
    status, errors = run_file(file, "-t")
    assert status == 0
    assert f"{program()}: the configuration file {file} syntax is ok" in errors
    assert f"{program()}: configuration file {file} test is successful" in errors


def say(proxy: Proxy, word: str) -> None:
    """`-s WORD` for a proxy that runs; nginx reads the same file by the same options."""
    options = proxy.command()
    done = subprocess.run([*options, "-s", word], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr


def test_words_instead_of_signals(start_proxy: StartProxy, origin: RawOrigin) -> None:
    text = conf("cli.conf").replace("error_log error.log", "error_log error.log notice")
    proxy = start_proxy(text, origin=origin.port, workers=2)
    wait_until((proxy.prefix / "proxy.pid").exists, "the pid file")
    with open_tunnel(proxy) as tunnel:
        log = proxy.prefix / "access.log"
        log.rename(proxy.prefix / "access.log.1")
        say(proxy, "reopen")
        proxy.wait_until_closed(proxy.prefix / "access.log.1")
        say(proxy, "reload")
        wait_until(lambda: "reconfiguring" in proxy.error_log(), "the reload")
        assert_echoes(tunnel)
        say(proxy, "quit")
        wait_until(lambda: refuses(proxy), "the listeners to close")
        assert_echoes(tunnel)
        say(proxy, "stop")
        assert proxy.wait_for_exit() == 0


@own_words
def test_in_the_background(tmp_path: Path, origin: RawOrigin) -> None:
    """The command ends when somebody serves, and the rest is as in the foreground."""
    port = free_port()
    file = write_conf(tmp_path, conf("cli.conf"), port=port, origin=origin.port, workers=2)
    status, errors = run_file(file, "-g", "daemon on;")
    assert status == 0, errors
    pid = int((file.parent / "proxy.pid").read_text())
    try:
        with socket.create_connection((LOOPBACK, port), 5) as client:
            client.sendall(b"GET /text HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        status, errors = run_file(file, "-g", "daemon on;")
        assert status == 1
        assert "in use" in errors
        assert run_file(file, "-s", "stop") == (0, "")
        wait_until(lambda: not (file.parent / "proxy.pid").exists(), "the end")
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise


@own_words
def test_dump(tmp_path: Path) -> None:
    """-T prints what is read as the same configuration."""
    file = write_conf(tmp_path, conf("cli.conf"), origin=free_port(), workers=1)
    done = run_underpass("-p", f"{file.parent}/", "-c", file, "-T", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"# configuration file {file}:\n")
    again = file.parent / "again.conf"
    again.write_text(done.stdout)
    twice = run_underpass("-p", f"{file.parent}/", "-c", again, "-T", "-q")
    assert twice.stdout.splitlines()[1:] == done.stdout.splitlines()[1:]


@own_words
def test_version_and_help() -> None:
    for option in ("-v", "-V"):
        done = run_underpass(option)
        assert done.returncode == 0
        assert re.search(rf"{program()}[ /]\d+\.\d+\.\d+", done.stdout + done.stderr)
    done = run_underpass("-h")
    assert done.returncode == 0
    for word in ("-c", "-p", "-g", "-e", "-s", "-t", "-T", "-q", "-v", "-V", "-h", "--listen", "--to", "demo"):
        assert word in done.stdout + done.stderr


@own_words
@pytest.mark.parametrize("arguments", [["-z"], ["--to"], ["--listen", "127.0.0.1:80"], ["nonsense"]])
def test_wrong_arguments(arguments: list[str]) -> None:
    done = run_underpass(*arguments)
    assert done.returncode != 0
    assert done.stderr.strip()


@own_words
@pytest.mark.parametrize("kind", ["ws", "websockets"])
def test_without_a_file(tmp_path: Path, kind: str) -> None:
    port = free_port()
    with Origin(kind) as origin:
        options = ("--listen", f"{LOOPBACK}:{port}", "--to", f"http://{LOOPBACK}:{origin.port}")
        with underpass_running(tmp_path, port, *options):
            with Client(kind, f"ws://{LOOPBACK}:{port}/any/path?q=1") as client:
                client.expect("open")
                assert origin.expect("open")["path"] == "/any/path?q=1"
                client.tell("send", text="no file needed")
                client.expect("sent")
                assert client.expect("message")["text"] == "no file needed"
                client.tell("close", code=1000, reason="")
                assert origin.expect("close")["code"] == 1000


@own_words
def test_the_binary_is_there() -> None:
    assert underpass_binary().is_file()
