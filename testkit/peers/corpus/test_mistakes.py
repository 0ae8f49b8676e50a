"""What nginx refuses, underpass refuses in the same words and at the same line (`testdata/configs/mistakes.toml`)."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import default_kind
from underpasscli import run_underpass

from .model import CONFIGS

MISTAKES = tomllib.loads((CONFIGS / "mistakes.toml").read_text())["mistake"]

FRAMES = {
    "file": "{}",
    "main": "{}\nevents {{ }}\nhttp {{ }}\n",
    "http": "events {{ }}\nhttp {{\n{}\n}}\n",
    "upstream": "events {{ }}\nhttp {{ upstream app {{\n{}\n}} }}\n",
    "server": "events {{ }}\nhttp {{ server {{\n{}\n}} }}\n",
    "location": "events {{ }}\nhttp {{ server {{ location / {{\n{}\n}} }} }}\n",
}
REFUSAL = re.compile(r"\[emerg\] (?:\d+#\d+: )?(.*?)(?: in (\S+?):(\d+)(?::\d+)?(?:; .*)?)?$", re.MULTILINE)


@pytest.mark.skipif(default_kind() == "nginx", reason="PEERS_PROXY=nginx: the words of underpass's own command")
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake["name"])
def test_mistake(mistake: Mapping[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "nginx.conf"
    file.write_text(FRAMES[mistake.get("in", "server")].format(mistake["text"]))
    words, line = refusal(nginx_says(file, tmp_path))
    ours = refusal(run_underpass("-t", "-p", tmp_path, "-c", file))
    # Of some nginx says what, and not where.
    assert ours == (mistake.get("underpass", words), mistake.get("line", line or ours[1]))
    assert "why" not in mistake or ours != (words, line), "they no longer differ"


def nginx_says(file: Path, prefix: Path) -> subprocess.CompletedProcess[str]:
    command = ["nginx", "-t", "-e", "stderr", "-p", f"{prefix}/", "-c", str(file), "-g", f"pid {prefix}/pid;"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)


def refusal(ran: subprocess.CompletedProcess[str]) -> tuple[str, int]:
    """The message and its line; 0 where it is at none."""
    assert ran.returncode == 1, ran.stderr
    match = REFUSAL.search(ran.stderr)
    assert match, ran.stderr
    return match[1], int(match[3] or 0)
