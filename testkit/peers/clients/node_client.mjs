// A WebSocket client on Node's `ws`, driven by JSON commands on standard input,
// one JSON event per line on standard output. Its twin is python_client.py.
//
//   node node_client.mjs URL '{"subprotocols": [], "deflate": true, "count": 1, "stay": false, "reject": false}'

import { createHash, randomBytes } from "node:crypto";
import { Agent, get } from "node:http";
import { createInterface } from "node:readline";
import WebSocket from "ws";

const url = process.argv[2];
const options = { subprotocols: [], deflate: true, count: 1, stay: false, reject: false, ...JSON.parse(process.argv[3] ?? "{}") };

function tell(event, fields = {}) {
  process.stdout.write(JSON.stringify({ event, ...fields }) + "\n");
}

function describe(data, isBinary) {
  const fields = { binary: isBinary, size: data.length, sha256: createHash("sha256").update(data).digest("hex") };
  if (!isBinary && data.length < 1000) fields.text = data.toString();
  return fields;
}

function open() {
  const socket = new WebSocket(url, options.subprotocols, {
    perMessageDeflate: options.deflate,
    maxPayload: 64 * 1024 * 1024,
  });
  socket.binaryType = "nodebuffer";
  socket.pings = 0;
  socket.on("ping", () => (socket.pings += 1));
  return socket;
}

function sendInPieces(socket, data, pieces) {
  tell("sent", describe(data, true));
  const length = Math.ceil(data.length / pieces);
  for (let at = 0; at < data.length; at += length) {
    socket.send(data.subarray(at, at + length), { binary: true, fin: at + length >= data.length });
  }
}

const commands = {
  send: (socket, { text, random }) => {
    const data = text ?? randomBytes(random);
    tell("sent", describe(Buffer.from(data), text === undefined));
    socket.send(data);
  },
  // A ping in the middle: control frames may stand between fragments.
  fragments: (socket, { parts, random, pieces }) => {
    if (random !== undefined) return sendInPieces(socket, randomBytes(random), pieces);
    parts.forEach((part, index) => {
      if (index === 1) socket.ping("between");
      socket.send(part, { fin: index === parts.length - 1 });
    });
  },
  ping: (socket, { data }) => socket.ping(data),
  pings: (socket) => tell("pings", { count: socket.pings }),
  close: (socket, { code, reason }) => socket.close(code, reason),
  terminate: (socket) => socket.terminate(),
  // What no API of a WebSocket offers: bytes past the library, the end of the stream alone, no reading.
  raw: (socket, { hex }) => socket._socket.write(Buffer.from(hex, "hex")),
  end: (socket) => socket._socket.end(),
  pause: (socket) => {
    socket.pause();
    tell("paused");
  },
  resume: (socket) => socket.resume(),
};

function converse() {
  const socket = open();
  socket.on("open", () => {
    const { protocol: subprotocol, extensions } = socket;
    tell("open", { subprotocol, extensions, port: socket._socket.localPort });
  });
  socket.on("message", (data, isBinary) => tell("message", describe(data, isBinary)));
  socket.on("pong", (data) => tell("pong", { data: data.toString() }));
  socket.on("close", (code, reason) => tell("close", { code, reason: reason.toString() }));
  socket.on("error", (error) => tell("error", { message: error.message }));
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const { do: name, ...command } = JSON.parse(line);
    commands[name](socket, command);
  });
  lines.on("close", () => process.exit(0));
}

function once(socket, event) {
  return new Promise((resolve, reject) => {
    socket.once(event, (...values) => resolve(values));
    socket.once("error", reject);
    if (event !== "close") socket.once("close", (code) => reject(new Error(`closed with ${code}`)));
  });
}

// `count` connections that stay open until they are closed by others; how many for which code and reason.
async function stay() {
  const sockets = Array.from({ length: options.count }, open);
  const closes = sockets.map((socket) => new Promise((resolve) => socket.once("close", (...how) => resolve(how))));
  await Promise.all(sockets.map((socket) => once(socket, "open")));
  tell("all-open", { count: sockets.length });
  const counts = {};
  for (const [code, reason] of await Promise.all(closes)) {
    const words = `${code} ${reason}`.trim();
    counts[words] = (counts[words] ?? 0) + 1;
  }
  tell("all-closed", { counts });
}

// `count` connections, all open before the first message, an echo on each, then all are closed.
async function crowd() {
  const sockets = Array.from({ length: options.count }, open);
  await Promise.all(sockets.map((socket) => once(socket, "open")));
  tell("all-open", { count: sockets.filter((socket) => socket.readyState === WebSocket.OPEN).length });
  let echoed = 0;
  await Promise.all(
    sockets.map(async (socket, index) => {
      const answer = once(socket, "message");
      socket.send(`message ${index}`);
      const [data] = await answer;
      echoed += data.toString() === `message ${index}` ? 1 : 0;
    }),
  );
  tell("all-echoed", { count: echoed });
  const codes = await Promise.all(
    sockets.map(async (socket) => {
      const closed = once(socket, "close");
      socket.close(1000);
      return (await closed)[0];
    }),
  );
  tell("all-closed", { count: codes.filter((code) => code === 1000).length });
}

function collect(response, event, fields = {}) {
  return new Promise((resolve) => {
    const pieces = [];
    response.on("data", (piece) => pieces.push(piece));
    response.on("end", () => {
      const body = Buffer.concat(pieces).toString();
      tell(event, { status: response.statusCode, body, headers: response.headers, ...fields });
      resolve();
    });
  });
}

// A handshake that is refused, then an ordinary request on the same connection.
function rejected() {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const socket = new WebSocket(url, { agent, createConnection: undefined });
  socket.on("open", () => tell("open"));
  socket.on("error", (error) => tell("error", { message: error.message }));
  socket.on("unexpected-response", async (request, response) => {
    const { localPort } = request.socket;
    await collect(response, "rejected");
    const plain = new URL(url);
    plain.protocol = "http:";
    plain.pathname = "/chat/plain";
    get(plain, { agent }, async (answer) => {
      await collect(answer, "served", { same_connection: answer.socket.localPort === localPort });
      agent.destroy();
    });
  });
}

if (options.reject) rejected();
else if (options.stay) await stay();
else if (options.count > 1) await crowd();
else converse();
