"""A real browser: a page that opens a WebSocket through the proxy, and the demo's page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chromium import Browser
from conftest import StartProxy
from harness import ROOT, free_port, wait_until
from underpasscli import underpass_running
from wspeers import Origin


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path) as browser:
        yield browser


def test_page_with_a_websocket(recipe: str, start_proxy: StartProxy, browser: Browser) -> None:
    with Origin("ws") as origin:
        proxy = start_proxy(recipe, origin=origin.port)
        browser.open(f"http://{proxy.authority}/chat/page")
        browser.wait_for("chat.socket.readyState === WebSocket.OPEN")
        opened = origin.expect("open")
        assert opened["subprotocol"] == browser.evaluate("chat.socket.protocol") == "chat.v1"
        assert "permessage-deflate" in browser.evaluate("chat.socket.extensions")

        browser.evaluate("chat.socket.send('grüße 💬')")
        browser.wait_for("chat.received.length === 1")
        assert browser.evaluate("chat.received[0]") == "grüße 💬"

        # Every byte of a binary message, in pieces that crypto.getRandomValues allows.
        browser.evaluate(
            "window.bytes = new Uint8Array(1 << 20);"
            "for (let at = 0; at < bytes.length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));"
            "chat.socket.send(bytes)"
        )
        browser.wait_for("chat.received.length === 2")
        assert browser.evaluate(
            "chat.received[1].byteLength === bytes.length"
            " && new Uint8Array(chat.received[1]).every((byte, index) => byte === bytes[index])"
        )

        browser.evaluate("chat.socket.close(4001, 'the page is done')")
        assert origin.expect("close") == {"event": "close", "code": 4001, "reason": "the page is done"}
        browser.wait_for("chat.closed !== null")
        assert browser.evaluate("chat.closed") == {"code": 4001, "reason": "the page is done", "wasClean": True}


def test_page_whose_websocket_the_origin_closes(recipe: str, start_proxy: StartProxy, browser: Browser) -> None:
    with Origin("ws") as origin:
        proxy = start_proxy(recipe, origin=origin.port)
        browser.open(f"http://{proxy.authority}/chat/page")
        browser.wait_for("chat.socket.readyState === WebSocket.OPEN")
        browser.evaluate("chat.socket.send('!close 4002 enough for today')")
        browser.wait_for("chat.closed !== null")
        assert browser.evaluate("chat.closed") == {"code": 4002, "reason": "enough for today", "wasClean": True}


@pytest.mark.underpass_only("rules G are underpass's own")
def test_pings_disturb_no_page(recipe: str, start_proxy: StartProxy, browser: Browser) -> None:
    # At this rate a message takes a second, so that Pings are due between its fragments.
    directives = "upgrade_ping_interval 50ms; upgrade_ping_timeout 30s; upgrade_limit_rate 16m; upgrade_log tunnels.log;"
    with Origin("ws") as origin:
        proxy = start_proxy(recipe.replace("proxy_pass ", f"{directives} proxy_pass "), origin=origin.port)
        browser.open(f"http://{proxy.authority}/chat/page#fragments")
        browser.wait_for("chat.socket.readyState === WebSocket.OPEN")
        assert "permessage-deflate" in browser.evaluate("chat.socket.extensions")
        origin.expect("open")
        # Half of it can be compressed, half can't.
        browser.evaluate(
            "window.bytes = new Uint8Array(16 << 20);"
            "for (let at = 0; at < 8 << 20; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));"
            "for (let at = 8 << 20; at < bytes.length; at += 1) bytes[at] = at >> 8;"
            "window.isSame = (buffer) => { const got = new Uint8Array(buffer); let at = 0;"
            "  while (at < bytes.length && got[at] === bytes[at]) at += 1;"
            "  return got.length === bytes.length && at === bytes.length; };"
            "for (let count = 0; count < 2; count += 1) chat.socket.send(bytes)"
        )
        browser.wait_for("chat.received.length === 2")
        assert browser.evaluate("chat.received.every(isSame)")
        browser.evaluate("chat.socket.send('!pings')")
        browser.wait_for("chat.received.length === 3")
        pings = browser.evaluate("chat.received[2]")
        assert int(pings.removeprefix("pings ")) >= 3, pings

        browser.evaluate("chat.socket.close(4001, 'the page is done')")
        assert origin.expect("close") == {"event": "close", "code": 4001, "reason": "the page is done"}
        browser.wait_for("chat.closed !== null")
        assert browser.evaluate("chat.closed.wasClean")
        log = proxy.prefix / "tunnels.log"
        wait_until(lambda: '"event":"close"' in log.read_text(), "the tunnel's line")
        line = json.loads(log.read_text().splitlines()[-1])
        assert (line["ended_by"], line["ended_how"]) == ("client", "close"), line
        assert (line["client_messages"], line["upstream_messages"]) == (3, 3), line
        assert line["upstream_frames"] > 100, "the origin server has sent fragments"
        # The browser has answered, too, and its answers have gone no further.
        assert line["client_ping"] is not None and line["upstream_ping"] is not None, line


@pytest.mark.underpass_only("the demo is underpass's own")
def test_demo_page(tmp_path: Path, browser: Browser) -> None:
    port = free_port()
    with underpass_running(tmp_path, port, "demo", "--listen", f"127.0.0.1:{port}") as demo:
        output = demo.output()
        assert "proxy_set_header Upgrade $http_upgrade;" in output
        url = re.search(rf"http://127\.0\.0\.1:{port}\S*", output)
        assert url is not None, output

        visit_demo(browser, url[0])
        drain_demo(browser)


def visit_demo(browser: Browser, url: str) -> None:
    """What a visitor of the demo does and sees."""
    browser.open(url)
    browser.wait_for("window.underpass && window.underpass.state === 'open'")
    browser.wait_for("document.querySelector('#state').textContent.trim() !== ''")

    # As a visitor does it: by the form.
    message = "Grüße through the tunnel"
    browser.evaluate(
        f"document.querySelector('#form input#message').value = '{message}';"
        "document.querySelector('#form').requestSubmit()"
    )
    browser.wait_for(f"JSON.stringify(window.underpass.received).includes('{message}')")
    browser.wait_for(f"document.querySelector('#log').textContent.includes('{message}')")
    browser.wait_for("window.underpass.rtts.length >= 5")
    # The proxy's own Pings, which no page sees: its log has told the origin server, and that one the page.
    browser.wait_for(
        "['client-ping', 'upstream-ping'].every(id => /^(< 1|[0-9]+) ms$/.test(document.getElementById(id).textContent))"
    )
    assert browser.evaluate("window.underpass.rtts.every(rtt => typeof rtt === 'number' && rtt >= 0)")
    browser.screenshot(ROOT / "target" / "peers-demo.png")
    assert browser.evaluate("window.underpass.state") == "open"


def drain_demo(browser: Browser) -> None:
    """A click on the button, and what a visitor sees of the drain: both tunnels end with 1012, and are opened again."""
    browser.evaluate("document.querySelector('#drain').click()")
    browser.wait_for("window.underpass.drained.length === 2")
    drained = browser.evaluate("window.underpass.drained")
    assert sorted(tunnel.pop("path") for tunnel in drained) == ["/chat/", "/chat/echo"]
    assert drained == [{"code": 1012, "reason": "service restart"}] * 2
    browser.wait_for("window.underpass.state === 'open'")
    shown = browser.evaluate("document.querySelector('#tunnels').textContent")
    assert shown.count("1012 service restart") == 2, shown
    log = browser.evaluate("document.querySelector('#log').textContent")
    assert "the proxy has closed /chat/ with 1012 service restart: connecting again" in log
    assert "/chat/ is open again" in log
    assert browser.evaluate("document.querySelector('#drain').getAttribute('aria-disabled')") == "false"

    message = "and on it goes"
    browser.evaluate(
        f"document.querySelector('#form input#message').value = '{message}';"
        "document.querySelector('#form').requestSubmit()"
    )
    browser.wait_for(f"window.underpass.received.includes('{message}')")
    echoes = browser.evaluate("window.underpass.rtts.length")
    browser.wait_for(f"window.underpass.rtts.length > {echoes}")
    browser.screenshot(ROOT / "target" / "peers-demo-drained.png")
