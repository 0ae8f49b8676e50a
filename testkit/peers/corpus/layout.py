"""A case's files, written out so that they run here.

Lines stay where they are, so that the places in messages hold. What is replaced:

- what the case's `[replace]` says: the addresses of the product's servers
- addresses of `listen`: the loopback interface, a free port for each port number
- paths below `/etc/nginx`, `/etc/letsencrypt`, `/etc/ssl`, `/var/log/nginx`, `/var/cache/nginx`, `/run`
  and `/var/run`: below the proxy's prefix; certificates and parameters of Diffie-Hellman: what was made for the test
- `user`: the one who runs the test
- `worker_processes`: 1, as what a balancer chose before is known to one of nginx's workers only
"""

from __future__ import annotations

import getpass
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from harness import LOOPBACK, free_port

from .model import Case

LISTEN = re.compile(r"(?<![\w$])(listen\s+)([^\s;{}]+)([^;{}]*)")
NAMED = re.compile(r"\{\{([\w-]+)(:port)?\}\}")
PATHS = {
    "/etc/nginx/": "",
    "/etc/letsencrypt/": "letsencrypt/",
    "/etc/ssl/": "ssl/",
    "/var/log/nginx/": "log/",
    "/var/cache/nginx/": "cache/",
    "/var/run/": "run/",
    "/run/": "run/",
}
PATH = re.compile(r"(?<=[\s:=\"'])(" + "|".join(map(re.escape, PATHS)) + ")")
CERTIFICATE = re.compile(r"(\bssl_(?:trusted_)?certificate\s+)[^\s;]+")
DH_PARAMETERS = re.compile(r"(\bssl_dhparam\s+)[^\s;]+")
CERTIFICATE_KEY = re.compile(r"(\bssl_certificate_key\s+)[^\s;]+")
USER = re.compile(r"(?m)^(\s*user\s+)[^;]+")
WORKERS = re.compile(r"(?m)^(\s*worker_processes\s+)[^;]+")


class Ports:
    """The ports that stand for those of a case's `listen` directives."""

    def __init__(self) -> None:
        self._ports: dict[str, int] = {}
        # Those where TLS is spoken.
        self.secured: set[int] = set()

    def __getitem__(self, written: str) -> int:
        return self._ports.setdefault(written, free_port())

    def names(self) -> dict[int, str]:
        """What each stands for."""
        return {port: written for written, port in self._ports.items()}

    def address(self, written: str) -> str:
        """What is listened on instead of `written`."""
        if written.startswith("unix:"):
            return written
        if not written.startswith("[") and written.isdigit():
            return f"{LOOPBACK}:{self[written]}"
        host, colon, port = written.rpartition(":")
        if not colon or host.startswith("[") and not host.endswith("]"):
            host, port = written, "80"
        return f"{'[::1]' if host.startswith('[') else LOOPBACK}:{self[port]}"


class Layout:
    """Where the files of a case are for one proxy."""

    def __init__(self, case: Case, kind: str, prefix: Path, ports: Ports, origins: Mapping[str, str]) -> None:
        self.case = case
        self.kind = kind
        self.prefix = prefix
        self.ports = ports
        self.origins = origins
        self._replaced: set[str] = set()
        self._left_out: set[str] = set()
        texts = {name: self.text(path.read_text()) for name, path in case.files().items()}
        self._check_stale()
        self.main = texts["nginx.conf"]
        for folder in ("log/", "cache/", "run/", *self._folders("".join(texts.values()))):
            (prefix / folder).mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (prefix / name).parent.mkdir(parents=True, exist_ok=True)
            (prefix / name).write_text(text)

    def text(self, text: str) -> str:
        """The text of a file for this proxy."""
        if self.kind == "nginx":
            for piece in self.case.without:
                if piece in text:
                    self._left_out.add(piece)
                    text = text.replace(piece, "\n" * piece.count("\n"))
        text = self._addresses(text)
        text = LISTEN.sub(self._listen, text)
        text = PATH.sub(lambda match: f"{self.prefix}/{PATHS[match[1]]}", text)
        text = USER.sub(rf"\g<1>{getpass.getuser()}", text)
        text = WORKERS.sub(r"\g<1>1", text)
        if CERTIFICATE.search(text) or CERTIFICATE_KEY.search(text):
            certificate, key = self_signed(self.prefix)
            text = CERTIFICATE.sub(rf"\g<1>{certificate}", text)
            text = CERTIFICATE_KEY.sub(rf"\g<1>{key}", text)
        if DH_PARAMETERS.search(text):
            text = DH_PARAMETERS.sub(rf"\g<1>{dh_parameters(self.prefix)}", text)
        return text

    def _listen(self, match: re.Match[str]) -> str:
        address = self.ports.address(match[2])
        if "ssl" in match[3].split():
            self.ports.secured.add(int(address.rpartition(":")[2]))
        return match[1] + address + match[3]

    def _addresses(self, text: str) -> str:
        """All in one go, so that nothing is replaced that was put there."""

        def value(match: re.Match[str]) -> str:
            self._replaced.add(match[0])
            return filled(self.case.replace[match[0]], self.origins)

        longest_first = sorted(self.case.replace, key=len, reverse=True)
        pieces = "|".join(map(re.escape, longest_first))
        return re.sub(rf"(?:{pieces})(?!\d)", value, text) if pieces else text

    def _folders(self, text: str) -> list[str]:
        """The folders of files that the proxy is going to make."""
        return re.findall(rf"{re.escape(str(self.prefix))}/((?:log|cache|run)/(?:[^\s;/]*/)*)", text)

    def _check_stale(self) -> None:
        stale = set(self.case.replace) - self._replaced
        if self.kind == "nginx":
            stale |= set(self.case.without) - self._left_out
        if stale:
            raise ValueError(f"{self.case.name}: not in its files: {', '.join(sorted(stale))}")


def filled(text: str, addresses: Mapping[str, str]) -> str:
    """Text with the addresses of origin servers in the place of `{{NAME}}`, their ports in that of `{{NAME:port}}`."""

    def value(match: re.Match[str]) -> str:
        address = addresses[match[1]]
        return address.rpartition(":")[2] if match[2] else address

    return NAMED.sub(value, text)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate and its key, so that nginx can check files that name theirs."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if not key.exists():
        subject = ["-subj", "/CN=example.com", "-days", "2"]
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command = ["openssl", "req", "-x509", *curve, *subject, "-keyout", key, "-out", certificate]
        subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def dh_parameters(folder: Path) -> Path:
    """Those of RFC 7919, in a file that nginx reads."""
    file = folder / "dhparams.pem"
    if not file.exists():
        command = ["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", file]
        subprocess.run(command, check=True, capture_output=True)
    return file
