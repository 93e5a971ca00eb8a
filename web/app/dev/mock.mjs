/**
 * A stand-in for the server, for work on the page alone: the infra board with made-up data, over the real protocol.
 *
 * `npm run mock` and `npm run dev` in two terminals. PULSEBOARD_MOCK chooses what it plays: normal, states, empty. It
 * serves the built app too, keeps nothing, checks nothing, and is never shipped.
 */

import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'smol-toml';
import { WebSocketServer } from 'ws';
import { createHost, streamInfos } from './mockHost.mjs';
import { Instance, stateOf } from './mockInstance.mjs';

const port = Number(process.env.PORT ?? 8080);
const play = process.env.PULSEBOARD_MOCK ?? 'normal';
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const dist = here('../dist');
const definition = parse(readFileSync(here('../../../boards/infra.toml'), 'utf8'));

const host = createHost();
const instances = new Map();
const drawn = definition.panels.filter((panel) => host.draws(panel.id));
const panels = drawn.map((panel) => ({ ...panel, channel: `view:infra.${panel.id}` }));
const byChannel = new Map(panels.map((panel) => [panel.channel, panel]));
const tails = new Map();
const queries = new Map();
const connections = new Set();
let offset = 81_204_113;
let refused = 0;

function instance(channel) {
  // Spans and variables make other channels of the same panel; the made-up rows are those of its own span.
  const panel = byChannel.get(channel.split('?')[0]);
  if (!instances.has(channel) && panel !== undefined) {
    instances.set(channel, new Instance(() => host.panel(panel.id), stateOf(play, panel.id)));
  }
  if (!instances.has(channel) && queries.has(channel)) {
    instances.set(channel, new Instance(() => host.query(queries.get(channel)), null));
  }
  return instances.get(channel);
}

function head(sub, newest_us) {
  const time = Date.now() * 1_000;
  const position = `00000000000000ab:${offset}:${time}`;
  return { type: 'frame', sub, cursor: `${position}~00`, position, time, newest: newest_us };
}

class Connection {
  subs = new Map();
  count = 0;

  constructor(send) {
    this.send = send;
    connections.add(this);
  }

  subscribe(id, channels, last) {
    this.count += 1;
    const sub = this.count;
    const known = channels.filter((channel) => channel.startsWith('stream:') || instance(channel) !== undefined);
    for (const channel of channels.filter((each) => !known.includes(each))) {
      const error = { code: 'unknown_query', message: 'the query is not known any more', details: {} };
      this.send('error', { type: 'error', id, channel, error });
    }
    const frame = { ...head(sub, null), resumed: false, changes: known.map((channel) => first(channel, last)) };
    this.send('subscribed', { type: 'subscribed', id, sub, channels: known, cursor: frame.cursor, resumed: false });
    this.subs.set(sub, known);
    this.send('init', frame);
  }

  tell(changes, newest_us) {
    for (const [sub, channels] of this.subs) {
      const mine = changes.filter(({ channel }) => channels.includes(channel));
      if (mine.length > 0) {
        this.send('frame', { ...head(sub, newest_us), changes: mine });
      }
    }
  }
}

function first(channel, last) {
  if (channel.startsWith('stream:')) {
    const tail = tails.get(channel.slice(7)) ?? { columns: [], rows: [] };
    return { channel, snapshot: { columns: tail.columns, rows: tail.rows.slice(-(last ?? 0)) } };
  }
  return { channel, ...instance(channel).first() };
}

function tick() {
  const newest_us = Date.now() * 1_000 - 2_000;
  const appended = play === 'empty' ? [] : host.tick(Date.now());
  offset += appended.length;
  const changes = [];
  for (const { stream, columns, row } of appended) {
    const tail = tails.get(stream) ?? { columns, rows: [] };
    tails.set(stream, tail);
    const full = [...row, null, newest_us, offset];
    tail.rows.push(full);
    tail.rows.splice(0, tail.rows.length - 200);
    changes.push({ channel: `stream:${stream}`, delta: { append: [full] } });
  }
  for (const [channel, each] of instances) {
    const change = each.step();
    if (change !== null) {
      changes.push({ channel, ...change });
    }
  }
  for (const connection of connections) {
    connection.tell(changes, newest_us);
  }
}

function json(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function readBody(request) {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function sqlError(sql) {
  const found = /\bFROM\s+(\w+)/i.exec(sql)?.[1];
  if (found !== undefined && !host.knows(found)) {
    const before = sql.slice(0, sql.search(new RegExp(`\\b${found}\\b`))).split('\n');
    return {
      code: 'unknown_stream',
      message: `there is no stream \`${found}\`; did you mean \`host_cpu\`?`,
      details: { nearest: ['host_cpu'], line: before.length, column: (before.at(-1) ?? '').length + 1 },
    };
  }
  return null;
}

async function answer(request, response) {
  const url = new URL(request.url, 'http://localhost');
  const path = url.pathname;
  if (path === '/api/v1/boards/infra') {
    return json(response, 200, { ...definition, name: 'infra', timezone: 'Europe/Berlin', panels });
  }
  if (path === '/api/v1/streams') {
    return json(response, 200, { position: 'p', streams: play === 'empty' ? [] : streamInfos(host, offset, refused) });
  }
  if (path === '/api/v1/live/queries' || path === '/api/v1/explain') {
    const { sql } = JSON.parse(await readBody(request));
    const error = sqlError(sql);
    if (error !== null) {
      return json(response, 404, { error });
    }
    if (path.endsWith('explain')) {
      const running = {
        mode: 'maintained',
        reason: null,
        groups: 12,
        state_bytes: 4_096,
        events: 1_200,
        cost_per_event_ns: 210,
        engine_percent: 0.1,
        late_rows: 0,
        truncated_rows: 0,
      };
      const reasons = ['one stream, grouped by `core`', 'the window slides by panes of one second'];
      return json(response, 200, {
        mode: 'maintained',
        reasons,
        warnings: [],
        streams: ['host_cpu'],
        plan: '',
        running,
      });
    }
    const channel = `sql:${Buffer.from(sql).toString('hex').padEnd(16, '0').slice(0, 32)}`;
    queries.set(channel, sql);
    return json(response, 200, { channel });
  }
  if (path === '/api/v1/live/sse') {
    return sse(request, response, url);
  }
  if (path === '/health/ready') {
    return json(response, 200, { status: 'ready' });
  }
  if (path.startsWith('/api/')) {
    refused += 1;
    return json(response, 404, { error: { code: 'not_found', message: `nothing is at ${path}`, details: {} } });
  }
  const file = join(dist, path === '/' ? 'index.html' : path);
  if (!existsSync(file)) {
    response.writeHead(404);
    return response.end();
  }
  const types = {
    '.html': 'text/html',
    '.js': 'text/javascript',
    '.css': 'text/css',
    '.svg': 'image/svg+xml',
    '.woff2': 'font/woff2',
  };
  response.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream' });
  return createReadStream(file).pipe(response);
}

function sse(request, response, url) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const connection = new Connection((type, message) => {
    if (type !== 'subscribed') {
      response.write(`event: ${type}\nid: ${message.cursor ?? ''}\ndata: ${JSON.stringify(message)}\n\n`);
    }
  });
  connection.subscribe(undefined, url.searchParams.getAll('channel'), Number(url.searchParams.get('last') ?? 0));
  request.on('close', () => connections.delete(connection));
}

const server = createServer((request, response) => void answer(request, response));
const sockets = new WebSocketServer({ server, path: '/api/v1/live' });
sockets.on('connection', (socket) => {
  const connection = new Connection((_, message) => socket.send(JSON.stringify(message)));
  socket.on('close', () => connections.delete(connection));
  socket.on('message', (data) => {
    const message = JSON.parse(String(data));
    if (message.type === 'subscribe') {
      connection.subscribe(message.id, message.channels, message.last);
    } else if (message.type === 'unsubscribe') {
      connection.subs.delete(message.sub);
    } else if (message.type === 'ping') {
      connection.send('pong', { type: 'pong', time: Date.now() * 1_000 });
    }
  });
});
setInterval(tick, 1_000);
server.listen(port, '127.0.0.1', () => console.log(`mock (${play}) at http://127.0.0.1:${port}`));
