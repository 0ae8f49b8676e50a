"""What a client sees that gets no handshake, beside nginx with the same file: an alert, an answer, or an end."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from certificates import make_all
from harness import PATIENCE, Proxy, conf, free_port

ALERTS = {
    10: "unexpected_message",
    22: "record_overflow",
    40: "handshake_failure",
    47: "illegal_parameter",
    50: "decode_error",
    70: "protocol_version",
    80: "internal_error",
    112: "unrecognized_name",
    120: "no_application_protocol",
}

# What a client sends that doesn't speak TLS as it should.
BROKEN: dict[str, bytes] = {
    "a handshake that is none": b"\x16\x03\x01\x00\x05hello",
    "a message of another kind": b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
    "a record that is too long": b"\x16\x03\x01\xff\xff" + b"x" * 100,
    "a record with a version that never was": b"\x16\x09\x09\x00\x05hello",
    "a hello without an end": b"\x16\x03\x01\x00\x08\x01\x00\x00\x04\x03\x03\x00\x00",
    "SSL 2.0": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"\x07\x00\xc0" * 12,
    "bytes with their highest bit set": b"\x80" * 100,
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "zeros": b"\x00" * 100,
    "a line of something else": b"hello server\r\n\r\n",
    "plain HTTP": b"GET / HTTP/1.1\r\nHost: tls.test\r\n\r\n",
    "half of a record": b"\x16\x03\x01\x00\x80\x01\x00",
    "nothing": b"",
}

# Where ours isn't nginx's: nginx's answer, and ours. docs/guide/tls.md tells them, and why.
SILENT = ("an end", "alert protocol_version")
DEVIATIONS: dict[str, tuple[str, str]] = {
    "a record with a version that never was": SILENT,
    "SSL 2.0": SILENT,
    "bytes with their highest bit set": SILENT,
    "an alert": ("HTTP/1.1 400 Bad Request", "an end"),
    "zeros": ("HTTP/1.1 400 Bad Request", "alert protocol_version"),
}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Proxy]]:
    """nginx and underpass with one file."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        make_all(Path(folder))
        values = {"workers": 1, "scheme": "http", "origin": free_port(), "origin_name": "tls.test", "folder": folder}
        nginx, underpass = (
            Proxy(kind, conf("tls.conf"), tmp_path_factory.mktemp(kind), **values) for kind in ("nginx", "underpass")
        )
        with nginx, underpass:
            yield [nginx, underpass]


def hello(change: Callable[[ssl.SSLContext], object], name: str | None) -> bytes:
    """The first flight of a client of OpenSSL's with these settings."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    change(context)
    sent = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


def only(version: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0") -> Callable[[ssl.SSLContext], None]:
    """Settings with one version, and these cipher suites of those before TLS 1.3."""

    def change(context: ssl.SSLContext) -> None:
        context.set_ciphers(ciphers)
        context.minimum_version = context.maximum_version = version

    return change


def offering(protocol: str) -> Callable[[ssl.SSLContext], None]:
    """Settings that offer this to be spoken inside."""
    return lambda context: context.set_alpn_protocols([protocol])


# What one sends that does, and isn't welcome or not quite.
HELLOS: dict[str, bytes] = {
    "TLS 1.0": hello(only(ssl.TLSVersion.TLSv1), "tls.test"),
    "TLS 1.1": hello(only(ssl.TLSVersion.TLSv1_1), "tls.test"),
    "no cipher in common": hello(only(ssl.TLSVersion.TLSv1_2, "ADH-AES128-SHA256:@SECLEVEL=0"), "tls.test"),
    "a name that is refused": hello(lambda _: None, "nobody.test"),
    "a name that is refused, TLS 1.2": hello(only(ssl.TLSVersion.TLSv1_2), "nobody.test"),
    "a name of nobody": hello(lambda _: None, "unknown.test"),
    "no name": hello(lambda _: None, None),
    "HTTP/2 alone to be spoken": hello(offering("h2"), "tls.test"),
    "HTTP/1.0 to be spoken": hello(offering("http/1.0"), "tls.test"),
    "half of a hello": hello(lambda _: None, "tls.test")[:100],
}


def seen(proxy: Proxy, sent: bytes) -> str:
    """What the client sees: it sends this, and nothing else."""
    answer = b""
    with socket.create_connection(proxy.address, PATIENCE) as client:
        try:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            while some := client.recv(65536):
                answer += some
        except OSError:
            # What came too much was not read; that is how the system says so.
            pass
    if not answer:
        return "an end"
    if answer[:1] == b"\x15":
        return f"alert {ALERTS.get(answer[6], answer[6])}"
    if answer[:1] == b"\x16":
        return "a handshake"
    status = answer.split(b"\r\n", 1)[0].decode("ascii", "replace") if answer.startswith(b"HTTP/") else ""
    return status or answer[:40].decode("ascii", "replace")


@pytest.mark.underpass_only("both are run")
@pytest.mark.parametrize("case", [*BROKEN, *HELLOS])
def test_the_same_as_nginx_but_for_what_is_named(both: list[Proxy], case: str) -> None:
    sent = {**BROKEN, **HELLOS}[case]
    nginx, ours = (seen(proxy, sent) for proxy in both)
    assert (nginx, ours) == DEVIATIONS.get(case, (nginx, nginx))
