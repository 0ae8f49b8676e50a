// An origin server on Node's http and `ws`: echoes, and does what a message that
// starts with `!` says. One JSON event per line on standard output.
//
//   node node_origin.mjs ADDRESS
//
// Its twin on Python is python_origin.py; the tests don't know which one they talk to.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

const REFUSAL = "no entry without a ticket\n";

function tell(event, fields = {}) {
  process.stdout.write(JSON.stringify({ event, ...fields }) + "\n");
}

// The length of a fragment in which `…/fragments` echoes what is binary.
const FRAGMENT = 65_536;

const commands = {
  pings: (socket) => socket.send(`pings ${socket.pings}`),
  close: (socket, code, ...reason) => socket.close(Number(code), reason.join(" ")),
  terminate: (socket) => socket.terminate(),
  flood: (socket, mebibytes) => socket.send(Buffer.alloc(mebibytes << 20)),
  ping: (socket, data) => {
    socket.once("pong", (answer) => socket.send(`pong ${answer}`));
    socket.ping(data);
  },
  fragments: (socket, ...parts) => {
    parts.forEach((part, index) => socket.send(part, { fin: index === parts.length - 1 }));
  },
};

const sockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: { threshold: 0 },
  maxPayload: 64 * 1024 * 1024,
  handleProtocols: (offered) => (offered.has("chat.v1") ? "chat.v1" : false),
});

sockets.on("connection", (socket, request) => {
  tell("open", {
    path: request.url,
    host: request.headers.host,
    subprotocol: socket.protocol,
    extensions: socket.extensions,
    port: request.socket.remotePort,
  });
  socket.pings = 0;
  socket.on("ping", () => (socket.pings += 1));
  const inFragments = request.url.endsWith("/fragments");
  socket.on("message", (data, isBinary) => {
    const text = isBinary ? "" : data.toString();
    if (text.startsWith("!")) {
      const [name, ...rest] = text.slice(1).split(" ");
      commands[name](socket, ...rest);
    } else if (isBinary && inFragments) {
      for (let at = 0; at < data.length; at += FRAGMENT) {
        socket.send(data.subarray(at, at + FRAGMENT), { binary: true, fin: at + FRAGMENT >= data.length });
      }
    } else {
      socket.send(data, { binary: isBinary });
    }
  });
  socket.on("close", (code, reason) => tell("close", { code, reason: reason.toString() }));
  socket.on("error", (error) => tell("error", { message: error.message }));
});

const page = await readFile(new URL("page.html", import.meta.url));

const server = createServer((request, response) => {
  request.resume();
  if (request.url === "/chat/page") {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(page);
    return;
  }
  response.setHeader("Content-Type", "text/plain");
  response.end(`plain ${request.method} ${request.url}\n`);
});

server.on("upgrade", (request, socket, head) => {
  if (new URL(request.url, "http://origin").pathname === "/chat/reject") {
    socket.end(
      "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\n" +
        `WWW-Authenticate: Basic realm="chat"\r\nContent-Length: ${REFUSAL.length}\r\n\r\n${REFUSAL}`,
    );
    return;
  }
  sockets.handleUpgrade(request, socket, head, (opened) => sockets.emit("connection", opened, request));
});

server.listen({ port: 0, host: process.argv[2], backlog: 1024 }, () => tell("listening", { port: server.address().port }));
