'use strict';
// What tests and the curious look at.
window.underpass = { state: 'connecting', received: [], rtts: [], pings: [], drained: [] };

const $ = (id) => document.getElementById(id);
const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
const size = (text) => (typeof text === 'string' ? new Blob([text]).size : text.byteLength);

const tunnels = [];
// Those that were open when a drain was asked for, and haven't been opened again.
const draining = new Set();
// RFC 6455 §7.4, in IANA's registry: what the proxy drains with.
const SERVICE_RESTART = 1012;

// A WebSocket through the proxy that comes back by itself.
class Tunnel {
  constructor(path, hear) {
    this.path = path;
    this.hear = hear;
    this.sent = this.received = this.failures = 0;
    this.lastClose = '–';
    this.row = $('tunnels').insertRow();
    this.cells = [path, '', '', '', '', ''].map((text) => {
      const cell = this.row.insertCell();
      cell.textContent = text;
      return cell;
    });
    this.cells[1].className = 'pilled';
    tunnels.push(this);
    this.connect();
  }

  connect() {
    clearTimeout(this.retry);
    this.state = 'connecting';
    const url = new URL(this.path, location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = this.socket = new WebSocket(url);
    socket.onopen = () => {
      this.state = 'open';
      this.since = performance.now();
      this.failures = 0;
      if (this.drained) say('note', null, this.path + ' is open again');
      this.drained = false;
      draining.delete(this);
      show();
    };
    socket.onmessage = (event) => {
      this.received += size(event.data);
      this.hear(event.data);
    };
    socket.onclose = (event) => {
      if (socket !== this.socket) return;
      this.state = 'closed';
      this.lastClose = event.code + (event.reason ? ' ' + event.reason : '');
      if (event.code === SERVICE_RESTART) {
        this.drained = true;
        window.underpass.drained.push({ path: this.path, code: event.code, reason: event.reason });
        say('note', null, 'the proxy has closed ' + this.path + ' with ' + this.lastClose + ': connecting again');
      }
      this.failures += 1;
      const seconds = Math.min(2 ** (this.failures - 1), 15);
      this.retry = setTimeout(() => this.connect(), seconds * 1000);
      show();
    };
    show();
  }

  // Closes in order; the socket's own close event says so in the table, and a new one is opened at once.
  reconnect() {
    const old = this.socket;
    if (old.readyState > WebSocket.OPEN) return this.connect();
    old.onclose = (event) => {
      this.lastClose = event.code + ' asked for';
      this.connect();
    };
    this.state = 'closed';
    old.close(1000, 'reconnect');
    show();
  }

  send(text) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(text);
    this.sent += size(text);
    return true;
  }

  show() {
    this.row.dataset.state = this.state;
    const [, state, open, sent, received, close] = this.cells;
    state.textContent = this.state;
    open.textContent = this.state === 'open' ? duration(performance.now() - this.since) : '–';
    sent.textContent = bytes(this.sent);
    received.textContent = bytes(this.received);
    close.textContent = this.lastClose;
  }
}

function duration(ms) {
  const s = Math.floor(ms / 1000);
  const two = (n) => String(n).padStart(2, '0');
  return (s >= 3600 ? Math.floor(s / 3600) + ':' + two(Math.floor(s / 60) % 60) : Math.floor(s / 60)) + ':' + two(s % 60);
}

function bytes(n) {
  return n < 1024 ? n + ' B' : n < 1048576 ? (n / 1024).toFixed(1) + ' KiB' : (n / 1048576).toFixed(1) + ' MiB';
}

// The chat

let me;
const chat = new Tunnel('/chat/', (line) => {
  const ping = /^ping (\S+) (\S+)$/.exec(line);
  if (ping) return drawPings(ping[1], ping[2]);
  const [, kind, number, rest] = /^(\w+) (\d+) ?([^]*)$/.exec(line) ?? [];
  if (kind === 'you') {
    me = number;
    // Those of the tunnel before are none of this one's.
    $('client-ping').textContent = $('upstream-ping').textContent = '–';
  } else if (kind === 'message') {
    window.underpass.received.push(rest);
    say(number === me ? 'mine' : 'other', number, rest);
    travel();
  } else if (kind === 'joined' || kind === 'left') {
    $('present').textContent = rest === '1' ? 'you are alone: open this page twice' : rest + ' guests are here';
    say('note', null, number === me ? 'you are guest ' + number : 'guest ' + number + ' has ' + (kind === 'left' ? 'left' : 'come in'));
  }
});

function say(className, number, text) {
  const item = document.createElement('li');
  item.className = className;
  if (className === 'other') {
    const name = item.appendChild(document.createElement('b'));
    name.textContent = 'guest ' + number;
    name.style.setProperty('--hue', (number * 67) % 360);
  }
  item.append(text);
  const log = $('log');
  log.append(item);
  while (log.children.length > 500) log.firstChild.remove();
  log.scrollTop = log.scrollHeight;
}

$('form').addEventListener('submit', (event) => {
  event.preventDefault();
  const input = $('message');
  const text = input.value.trim();
  if (text === '') return;
  if (chat.send(text)) input.value = '';
  else say('note', null, 'the tunnel is not open: not sent');
});

// Round trips

const sentAt = new Map();
let serial = 0;
let echoes = 0;
const echo = new Tunnel('/chat/echo', (text) => {
  const begun = sentAt.get(text);
  if (begun === undefined) return;
  sentAt.delete(text);
  const { rtts } = window.underpass;
  rtts.push(performance.now() - begun);
  if (rtts.length > 3600) rtts.shift();
  drawRoundTrips(rtts.slice(-60));
});

function ping() {
  const text = 'ping ' + ++serial;
  if (echo.send(text)) {
    // Answers that a closed tunnel owes will not come.
    for (const [old, at] of sentAt) if (performance.now() - at > 60000) sentAt.delete(old);
    sentAt.set(text, performance.now());
    travel();
  }
}

function drawRoundTrips(rtts) {
  const ms = (n) => (n < 10 ? n.toFixed(2) : n < 100 ? n.toFixed(1) : Math.round(n));
  const sorted = [...rtts].sort((a, b) => a - b);
  $('last').textContent = ms(rtts.at(-1));
  $('best').textContent = ms(sorted[0]) + ' ms';
  $('median').textContent = ms(sorted[Math.floor(sorted.length / 2)]) + ' ms';
  $('worst').textContent = ms(sorted.at(-1)) + ' ms';
  $('count').textContent = ++echoes;
  const top = Math.max(sorted.at(-1) * 1.15, 0.5);
  const points = rtts.map((rtt, i) => [600 - (rtts.length - 1 - i) * (600 / 59), 120 - (rtt / top) * 116]);
  const line = 'M' + points.map(([x, y]) => x.toFixed(1) + ' ' + y.toFixed(1)).join('L');
  $('chart').querySelector('.line').setAttribute('d', line);
  $('chart').querySelector('.area').setAttribute('d', line + 'L600 120L' + points[0][0].toFixed(1) + ' 120Z');
}

// What the proxy has measured with Pings of its own: a page doesn't see these, so the origin server passes it on.
function drawPings(client, upstream) {
  const ms = (text) => (text === '-' ? '–' : text === '0' ? '< 1 ms' : text + ' ms');
  window.underpass.pings.push([client, upstream]);
  if (window.underpass.pings.length > 3600) window.underpass.pings.shift();
  $('client-ping').textContent = ms(client);
  $('upstream-ping').textContent = ms(upstream);
}

// The drain: the proxy reloads, as an operator's signal makes it, and ends each tunnel at a moment of its own.
$('drain').addEventListener('click', async () => {
  if (draining.size > 0) return;
  tunnels.filter((tunnel) => tunnel.state === 'open').forEach((tunnel) => draining.add(tunnel));
  show();
  try {
    const answer = await fetch('/drain', { method: 'POST' });
    if (!answer.ok) throw new Error((await answer.text()).trim());
    say('note', null, 'the proxy reloads and drains its tunnels');
  } catch (error) {
    draining.clear();
    say('note', null, 'not drained: ' + error.message);
  }
  show();
});

// The picture

function travel() {
  const nodes = document.querySelectorAll('.node');
  const legs = document.querySelectorAll('.pipe');
  const at = (ms, node) => setTimeout(() => {
    node.classList.add('lit');
    setTimeout(() => node.classList.remove('lit'), 260);
  }, ms);
  at(0, nodes[0]);
  at(300, nodes[1]);
  at(560, nodes[2]);
  if (calm) return;
  legs.forEach((leg, i) => {
    const far = leg.clientWidth;
    const run = (dot, from, to, delay) => dot.animate(
      [{ transform: `translateX(${from}px)`, opacity: 1 }, { transform: `translateX(${to}px)`, opacity: 1 }],
      { duration: 280, delay, easing: 'ease-in-out' });
    run(leg.children[0], -20, far, i * 280);
    run(leg.children[1], far, -20, 560 + (1 - i) * 280);
  });
}

function show() {
  const state = tunnels.every((tunnel) => tunnel.state === 'open') ? 'open'
    : tunnels.some((tunnel) => tunnel.state === 'closed') ? 'closed' : 'connecting';
  window.underpass.state = state;
  $('state').textContent = state;
  document.querySelector('.pill').dataset.state = state;
  document.querySelector('.picture').dataset.state = state;
  // Not disabled: a button that is would lose the keyboard's focus.
  $('drain').setAttribute('aria-disabled', draining.size > 0);
  tunnels.forEach((tunnel) => tunnel.show());
}

// The configuration

function highlight(text) {
  const escaped = (s) => s.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);
  return text.split('\n').map((line) => {
    const html = line.replace(/(^\s*)([a-z_]+)(?=[\s;])|(#.*$)|('[^']*'|"[^"]*")|(\$\w+)|[&<>]/g,
      (all, space, name, comment, quoted, variable) =>
        name ? space + '<span class="name">' + name + '</span>'
        : comment ? '<span class="comment">' + escaped(comment) + '</span>'
        : quoted ? '<span class="text">' + escaped(quoted) + '</span>'
        : variable ? '<span class="variable">' + variable + '</span>' : escaped(all));
    return /upgrade/i.test(line) || /^\s*('' +close|proxy_http_version)/.test(line) ? '<mark>' + html + '</mark>' : html + '\n';
  }).join('');
}

const configuration = $('configuration').textContent;
$('configuration').innerHTML = highlight(configuration);
$('copy').addEventListener('click', () => navigator.clipboard.writeText(configuration).then(
  () => { $('copy').textContent = 'Copied'; },
  () => { $('copy').textContent = 'Not allowed'; }));
$('reconnect').addEventListener('click', () => tunnels.forEach((tunnel) => tunnel.reconnect()));
$('proxy').textContent = location.host;

show();
setInterval(show, 500);
setInterval(ping, 1000);
