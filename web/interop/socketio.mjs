// Stock Socket.IO clients at the command of a test: one order a line on stdin, one event a line on stdout.
//
// Orders: {open, url, options, follow?} {emit, event, args, ack?} {close}, each with the client's number. Events:
// [number, name, arguments]; `ack` has the number that was waited with, `connect` and `upgrade` the transport's name.
import { createInterface } from 'node:readline';
import { io } from 'socket.io-client';

const clients = new Map();
const say = (number, name, ...args) => process.stdout.write(`${JSON.stringify([number, name, args])}\n`);

function open({ open: number, url, options, follow }) {
  const socket = io(url, { forceNew: true, ...options });
  clients.set(number, socket);
  let cursor = follow?.since;
  socket.on('connect', () => {
    say(number, 'connect', socket.io.engine.transport.name);
    // On every connection: who comes back says where it was.
    if (follow) {
      const wish = { ...follow.wish, ...(cursor && { since: cursor }) };
      socket.emit(follow.event, wish, (answer) => say(number, 'ack', 0, answer));
    }
  });
  // Before anything can happen on it: the change to WebSocket may come before `connect`.
  socket.io.on('open', () => {
    socket.io.engine.on('upgrade', (transport) => say(number, 'upgrade', transport.name));
  });
  socket.on('connect_error', (error) => say(number, 'connect_error', error.message));
  socket.on('disconnect', (reason) => say(number, 'disconnect', reason));
  socket.onAny((name, ...args) => {
    cursor = args[0]?.cursor ?? cursor;
    say(number, name, ...args);
  });
}

function emit({ emit: number, event, args, ack }) {
  const answered = ack === undefined ? [] : [(answer) => say(number, 'ack', ack, answer)];
  clients.get(number)?.emit(event, ...args, ...answered);
}

function close({ close: number }) {
  clients.get(number)?.disconnect();
  clients.delete(number);
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const order = JSON.parse(line);
  if ('open' in order) open(order);
  else if ('emit' in order) emit(order);
  else close(order);
});
lines.on('close', () => process.exit(0));
