"""Certificates for the tests, made by OpenSSL: an authority, and what it has signed."""

from __future__ import annotations

import subprocess
from pathlib import Path

LEAF = "subjectAltName={names}\nkeyUsage=digitalSignature\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n"
KEYS = {
    "ecdsa": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
}


def openssl(*arguments: object) -> None:
    """Runs the command; what it says is told when it fails."""
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def make_authority(folder: Path, name: str, common_name: str) -> None:
    """`name`.pem and `name`.key: an authority that has signed itself."""
    openssl("genpkey", *KEYS["ecdsa"], "-out", folder / f"{name}.key")
    extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    certificate = folder / f"{name}.pem"
    key = folder / f"{name}.key"
    openssl("req", "-x509", "-key", key, "-subj", f"/CN={common_name}", "-days", 30, *extensions, "-out", certificate)


def make_leaf(
    folder: Path,
    name: str,
    names: str,
    *,
    key: str = "ecdsa",
    usage: str = "serverAuth",
    authority: str = "ca",
    days: int = 30,
) -> None:
    """`name`.pem and `name`.key, signed by `authority`, for `names` as OpenSSL writes them: `DNS:a.test,IP:127.0.0.1`.

    With less than no days it has expired.
    """
    openssl("genpkey", *KEYS[key], "-out", folder / f"{name}.key")
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    openssl("req", "-new", "-key", folder / f"{name}.key", "-subj", f"/O=Peers/CN={name}", "-out", request)
    extensions.write_text(LEAF.format(names=names, usage=usage))
    signer = ["-CA", folder / f"{authority}.pem", "-CAkey", folder / f"{authority}.key"]
    openssl("x509", "-req", "-in", request, *signer, "-days", days, "-extfile", extensions, "-out", folder / f"{name}.pem")


def make_all(folder: Path) -> None:
    """What `conf/tls.conf` names, and certificates of clients.

    `friend` is of the authority, `stranger` of another one, `late` and `late_stranger` the same and expired.
    """
    make_authority(folder, "ca", "Peers CA")
    make_authority(folder, "elsewhere", "Elsewhere CA")
    make_leaf(folder, "ecdsa", "DNS:tls.test,IP:127.0.0.1")
    make_leaf(folder, "rsa", "DNS:tls.test,IP:127.0.0.1", key="rsa")
    make_leaf(folder, "other", "DNS:other.test,DNS:known.test,DNS:maybe.test,DNS:anybody.test")
    make_leaf(folder, "friend", "DNS:friend.test", usage="clientAuth")
    make_leaf(folder, "stranger", "DNS:stranger.test", usage="clientAuth", authority="elsewhere")
    make_leaf(folder, "late", "DNS:late.test", usage="clientAuth", days=-1)
    make_leaf(folder, "late_stranger", "DNS:late.test", usage="clientAuth", authority="elsewhere", days=-1)
