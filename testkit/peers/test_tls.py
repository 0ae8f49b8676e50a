"""wss and https with real peers: browsers, libraries, OpenSSL, nginx on either side, and a scanner."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from websockets.sync.client import connect

from certificates import make_all, make_leaf
from chromium import Browser
from conftest import StartProxy
from harness import LOOPBACK, PATIENCE, Proxy, conf, free_port, wait_until
from wspeers import Client, Origin

CONF = conf("tls.conf")
KINDS = ["websockets", "ws"]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Certificates and keys, in a folder that everybody may look into."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        make_all(Path(folder))
        yield Path(folder)


@pytest.fixture
def start(start_proxy: StartProxy, folder: Path) -> Callable[..., Proxy]:
    """Starts the proxy under test with `conf/tls.conf`."""

    def start(text: str = CONF, **values: object) -> Proxy:
        defaults = {"workers": 1, "scheme": "http", "origin": free_port(), "origin_name": "tls.test"}
        return start_proxy(text, **{**defaults, "folder": folder, **values})

    return start


def trust(folder: Path) -> dict[str, str]:
    """What makes Node's and Python's clients trust the authority."""
    authority = str(folder / "ca.pem")
    return {"NODE_EXTRA_CA_CERTS": authority, "SSL_CERT_FILE": authority}


def curl(proxy: Proxy, folder: Path, path: str, *options: str, name: str = "tls.test") -> str:
    """The content of an answer, behind its status; curl's exit status where there is none."""
    done = subprocess.run(
        [
            "curl", "--silent", "--show-error", "--max-time", str(PATIENCE), "--noproxy", "*",
            "--cacert", str(folder / "ca.pem"), "--resolve", f"{name}:{proxy.port}:{LOOPBACK}",
            "--write-out", "|%{http_code}", *options, f"https://{name}:{proxy.port}{path}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    return done.stdout if done.returncode == 0 else f"curl {done.returncode}: {done.stderr}"


def s_client(proxy: Proxy, folder: Path, *options: str, data: str = "") -> str:
    """What `openssl s_client` tells of a connection on which it sends `data`."""
    done = subprocess.run(
        [
            "openssl", "s_client", "-connect", f"{LOOPBACK}:{proxy.port}", "-CAfile", str(folder / "ca.pem"),
            "-servername", "tls.test", *options,
        ],
        input=data,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("behind", ["http", "https"])
def test_websockets_over_tls(start: Callable[..., Proxy], folder: Path, kind: str, behind: str, tmp_path: Path) -> None:
    """Text, many bytes, the end: through one TLS connection, and through two."""
    with ExitStack() as stack:
        origin = stack.enter_context(Origin(kind))
        port = origin.port
        if behind == "https":
            port = stack.enter_context(in_front_of(origin.port, folder, tmp_path)).port
        proxy = start(scheme=behind, origin=port)
        url = f"wss://{proxy.authority}/chat/echo"
        client = stack.enter_context(Client(kind, url, environment=trust(folder)))
        client.expect("open")
        origin.expect("open")
        for message in [{"text": "grüße 💬"}, {"random": 0}, {"random": 1_000_003}]:
            client.tell("send", **message)
            sent = client.expect("sent")
            assert client.expect("message") == sent | {"event": "message"}
        client.tell("close", code=4001, reason="done")
        assert origin.expect("close") == {"event": "close", "code": 4001, "reason": "done"}
        assert client.expect("close") == {"event": "close", "code": 4001, "reason": "done"}
    assert proxy.wait_for_access_log()[0].split("|")[:2] == ["101", "https"]


def in_front_of(port: int, folder: Path, tmp_path: Path) -> Proxy:
    """nginx as an origin server that speaks TLS, which passes on to `port`."""
    text = CONF.replace("{{scheme}}", "http")
    (tmp_path / "behind").mkdir()
    return Proxy("nginx", text, tmp_path / "behind", workers=1, origin=port, folder=folder, origin_name="x")


def test_nginx_as_a_client(start: Callable[..., Proxy], folder: Path, tmp_path: Path) -> None:
    with Origin("websockets") as origin:
        proxy = start(origin=origin.port)
        (tmp_path / "front").mkdir()
        front = Proxy(
            "nginx", CONF, tmp_path / "front", workers=1, scheme="https", origin=proxy.port, folder=folder,
            origin_name="tls.test",
        )  # fmt: skip
        with front:
            context = ssl.create_default_context(cafile=folder / "ca.pem")
            with connect(f"wss://{front.authority}/chat/echo", ssl=context, proxy=None) as client:
                client.send("through both")
                assert client.recv(timeout=PATIENCE) == "through both"
    assert proxy.wait_for_access_log()[0].startswith("101|https|on|TLSv1.")


def test_a_browser(start: Callable[..., Proxy], tmp_path: Path) -> None:
    with Origin("ws") as origin, Browser(tmp_path, flags=["--ignore-certificate-errors"]) as browser:
        proxy = start(origin=origin.port)
        browser.open(f"https://{proxy.authority}/chat/page")
        browser.wait_for("chat.socket.readyState === WebSocket.OPEN")
        assert browser.evaluate("chat.socket.url").startswith("wss://")
        browser.evaluate("chat.socket.send('grüße 💬')")
        browser.wait_for("chat.received.length === 1")
        assert browser.evaluate("chat.received[0]") == "grüße 💬"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl(start: Callable[..., Proxy], folder: Path, version: str) -> None:
    proxy = start()
    options = (f"--tlsv{version}", "--tls-max", version, "--http1.1")
    facts = curl(proxy, folder, "/facts", *options).split(" ")
    assert facts[:4] == ["https", "on", str(proxy.port), f"TLSv{version}"]
    assert facts[6:] == ["tls.test", ".", "http/1.1.|200"]
    assert curl(proxy, folder, "/", *options, name="other.test") == "other other.test.|200"
    # The certificate of the other server, for which no name of it stands.
    assert curl(proxy, folder, "/", "--connect-to", f"::{LOOPBACK}:{proxy.port}", name="wrong.test").startswith("curl 60:")
    head = curl(proxy, folder, "/redirect", *options, "--head")
    assert f"\nLocation: https://tls.test:{proxy.port}/elsewhere\n" in head


@pytest.mark.underpass_only("Debian's nginx takes what its OpenSSL takes")
def test_versions_and_ciphers_that_are_refused(start: Callable[..., Proxy], folder: Path) -> None:
    proxy = start()
    for options in [("-tls1",), ("-tls1_1",), ("-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0")]:
        assert "Cipher is (NONE)" in s_client(proxy, folder, *options), options
    assert "Verify return code: 0 (ok)" in s_client(proxy, folder)
    assert curl(proxy, folder, "/", name="nobody.test").startswith("curl 35:"), "ssl_reject_handshake"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_session_is_resumed(start: Callable[..., Proxy], folder: Path, tmp_path: Path, version: str) -> None:
    """By its ticket, at another worker, too; and after a reload."""
    proxy = start(workers=2)
    session = tmp_path / "session"
    request = "GET /facts HTTP/1.1\r\nHost: tls.test\r\nConnection: close\r\n\r\n"
    # -ign_eof: the answer is waited for, and with it the tickets of TLS 1.3.
    first = s_client(proxy, folder, version, "-ign_eof", "-sess_out", str(session), data=request)
    assert " tls.test . ." in first, first
    for _ in range(4):
        again = s_client(proxy, folder, version, "-ign_eof", "-sess_in", str(session), data=request)
        assert " tls.test r ." in again, again


@pytest.mark.underpass_only("Debian's nginx seals tickets with one key for as long as it runs")
def test_keys_of_tickets_rotate(start: Callable[..., Proxy], folder: Path) -> None:
    """Each `ssl_session_timeout` there is a new key. A ticket begins with the name of its key; TLS 1.2 shows it."""
    proxy = start(CONF.replace("ssl_session_cache shared:SSL:1m;", "ssl_session_timeout 1s;"))

    def key() -> str:
        told = s_client(proxy, folder, "-tls1_2")
        found = re.search(r"TLS session ticket:\n\s+0000 - ((?:[0-9a-f]{2}[ -]){16})", told)
        assert found, told
        return found[1]

    seen = {key()}
    wait_until(lambda: seen.add(key()) or len(seen) > 2, "three keys")


def test_certificates_of_clients(start: Callable[..., Proxy], folder: Path) -> None:
    proxy = start()

    def ask(name: str, who: str | None) -> str:
        own = ("--cert", str(folder / f"{who}.pem"), "--key", str(folder / f"{who}.key")) if who else ()
        return curl(proxy, folder, "/", "--http1.1", *own, name=name)

    known = ask("known.test", "friend")
    assert known.startswith("SUCCESS CN=friend,O=Peers CN=Peers CA "), known
    assert re.search(r" [0-9A-F]{38,40} [0-9a-f]{40} \w{3} .* GMT\|\w{3} .* GMT\.\|200$", known), known
    assert "No required SSL certificate was sent" in ask("known.test", None)
    assert "The SSL certificate error" in ask("known.test", "stranger")
    assert ask("maybe.test", "friend") == "SUCCESS.|200"
    assert ask("maybe.test", None) == "NONE.|200"
    assert "The SSL certificate error" in ask("maybe.test", "stranger")


def test_a_host_that_is_not_the_one_of_the_handshake(start: Callable[..., Proxy], folder: Path) -> None:
    """Nobody comes in by another server's door (421); where both ask the same of clients, `Host` decides."""
    proxy = start()
    assert curl(proxy, folder, "/", "--http1.1", "--header", "Host: known.test").endswith("|421")
    assert curl(proxy, folder, "/", "--http1.1", "--header", "Host: other.test") == "other tls.test.|200"


@pytest.mark.underpass_only("both are run")
def test_the_same_as_nginx(folder: Path, tmp_path: Path) -> None:
    """The same clients, the same file: statuses and variables."""
    who = ("friend", "stranger", "late", "late_stranger")
    own = {one: ("--cert", str(folder / f"{one}.pem"), "--key", str(folder / f"{one}.key")) for one in who}
    requests = [
        (name, path, ("--http1.1", *version, *options))
        for version in (("--tls-max", "1.2"), ("--tlsv1.3",))
        for name, path, options in (
            ("tls.test", "/facts", ()),
            ("tls.test", "/ciphers", ()),
            ("tls.test", "/redirect", ()),
            ("other.test", "/", ()),
            ("known.test", "/", ()),
            ("known.test", "/", own["friend"]),
            ("known.test", "/", own["stranger"]),
            ("known.test", "/", own["late"]),
            *((name, "/", ()) for name in ("maybe.test", "anybody.test")),
            *((name, "/", own[one]) for name in ("maybe.test", "anybody.test") for one in who),
            ("tls.test", "/", ("--header", "Host: known.test")),
            ("tls.test", "/", ("--header", "Host: maybe.test")),
            ("tls.test", "/", ("--header", "Host: other.test")),
            ("other.test", "/facts", ("--header", "Host: tls.test")),
        )
    ]
    answers = []
    for kind in ("nginx", "underpass"):
        values = {"workers": 1, "scheme": "http", "origin": free_port(), "origin_name": "tls.test", "folder": folder}
        (tmp_path / kind).mkdir()
        with Proxy(kind, CONF, tmp_path / kind, **values) as proxy:
            told = [curl(proxy, folder, path, *options, name=name) for name, path, options in requests]
        # What is wrong with a certificate, each says in its library's words.
        told = [re.sub(r"^(FAILED):.*\.", r"\1.", text) for text in told]
        # Pages that either makes itself differ.
        told = [text if text.endswith("|200") else text.rpartition("|")[2] for text in told]
        answers.append([text.replace(str(proxy.port), "PORT") for text in told])
    for request, expected, found in zip(requests, *answers, strict=True):
        assert found == expected, request


def test_plain_http_at_a_port_of_tls(start: Callable[..., Proxy]) -> None:
    proxy = start()
    with socket.create_connection(proxy.address, PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: tls.test\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"The plain HTTP request was sent to HTTPS port" in answer


def test_garbage_instead_of_a_handshake(start: Callable[..., Proxy], folder: Path) -> None:
    """An alert or nothing, a line in the log, and the next client is served."""
    proxy = start()
    for garbage in [b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + b"x" * 70_000, b"\x15\x03\x03\x00\x02\x02\x28", b"\x80" * 100]:
        with socket.create_connection(proxy.address, PATIENCE) as client:
            client.sendall(garbage)
            answer = b""
            try:
                while some := client.recv(65536):
                    answer += some
            except ConnectionResetError:
                pass
        assert answer[:1] in (b"", b"\x15", b"H"), answer
    assert curl(proxy, folder, "/facts").endswith("|200")
    wait_until(lambda: "while SSL handshaking" in proxy.error_log(), "a line in the log")


def test_a_reload_brings_another_certificate(start: Callable[..., Proxy], folder: Path, tmp_path: Path) -> None:
    """A tunnel that is open lives on."""
    with TemporaryDirectory() as own, Origin("websockets") as origin:
        own = Path(own)
        own.chmod(0o755)
        make_all(own)
        text = CONF.replace("ssl_certificate {{folder}}/rsa.pem;", "").replace("ssl_certificate_key {{folder}}/rsa.key;", "")
        proxy = start(text, origin=origin.port, folder=own)
        context = ssl.create_default_context(cafile=own / "ca.pem")

        def serial() -> str:
            with socket.create_connection(proxy.address, PATIENCE) as plain:
                with context.wrap_socket(plain, server_hostname="tls.test") as client:
                    return client.getpeercert()["serialNumber"]

        before = serial()
        with connect(f"wss://{proxy.authority}/chat/echo", ssl=context, proxy=None) as tunnel:
            make_leaf(own, "ecdsa", "DNS:tls.test,IP:127.0.0.1")
            proxy.process.send_signal(1)
            wait_until(lambda: serial() != before, "the other certificate")
            tunnel.send("still here")
            assert tunnel.recv(timeout=PATIENCE) == "still here"


def test_an_origin_server_that_is_not_the_one_meant(start: Callable[..., Proxy], folder: Path, tmp_path: Path) -> None:
    with Origin("websockets") as origin, in_front_of(origin.port, folder, tmp_path) as behind:
        proxy = start(scheme="https", origin=behind.port, origin_name="wrong.test")
        assert curl(proxy, folder, "/chat/plain").endswith("|502")
        wait_until(lambda: "wrong.test" in proxy.error_log(), "the reason")


@pytest.mark.underpass_only("Debian's nginx takes what its OpenSSL takes")
def test_a_scan(start: Callable[..., Proxy], tmp_path: Path) -> None:
    """TLS 1.2 and 1.3 and nothing else, forward secrecy in each suite, no renegotiation, no compression."""
    proxy = start()
    told = tmp_path / "scan.json"
    scan = subprocess.run(
        [
            sys.executable, "-m", "sslyze", f"--json_out={told}", "--mozilla_config=disable", "--sslv2", "--sslv3",
            "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--reneg", "--compression", "--heartbleed",
            "--openssl_ccs", "--fallback", "--resum", "--elliptic_curves", f"{LOOPBACK}:{proxy.port}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert scan.returncode == 0, scan.stdout + scan.stderr
    [server] = json.loads(told.read_text())["server_scan_results"]
    result = {name: attempt["result"] for name, attempt in server["scan_result"].items() if attempt["status"] == "COMPLETED"}
    accepted = {
        name: [suite["cipher_suite"]["name"] for suite in result[f"{name}_cipher_suites"]["accepted_cipher_suites"]]
        for name in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2", "tls_1_3")
    }
    assert not any(accepted[name] for name in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1")), accepted
    assert accepted["tls_1_2"] and accepted["tls_1_3"]
    for suite in accepted["tls_1_2"]:
        assert re.fullmatch(r"TLS_ECDHE_(ECDSA|RSA)_WITH_(AES_(128|256)_GCM_SHA(256|384)|CHACHA20_POLY1305_SHA256)", suite), suite
    assert not result["session_renegotiation"]["is_vulnerable_to_client_renegotiation_dos"]
    assert not result["tls_compression"]["supports_compression"]
    assert not result["heartbleed"]["is_vulnerable_to_heartbleed"]
    assert not result["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"]
    # Of tickets it says the same only where a resumed session keeps its ticket; ours get another one.
    assert result["session_resumption"]["session_id_resumption_result"] == "FULLY_SUPPORTED"
