/**
 * Locked doors in a real browser: a user logs in, sees and signs out; a link shows one board and dies when it is taken back; a
 * page of another origin tries everything with the cookie that the browser sends along, and nothing is written.
 *
 * Each test has a server of its own, because the first user locks the door for whoever shows nothing.
 */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stat } from './page.mjs';
import { Server } from './server.mjs';
import { within } from './wait.mjs';

const SEEN_MS_MAX = 15_000;
const PASSWORD = 'correct horse battery';
const NEXT = 'staple of another kind';

const run = promisify(execFile);

/** Runs `test` with a server that has users of these roles, each named as the role. */
async function locked(roles, test) {
  const server = await Server.create(process.env.PULSEBOARD_BIN);
  const user = async (...args) => {
    const file = join(server.dir, 'password');
    await writeFile(file, `${PASSWORD}\n`);
    const place = ['--data-dir', join(server.dir, 'data')];
    await run(server.binary, ['user', ...args, ...(args[0] === 'remove' ? [] : ['--password-file', file]), ...place]);
  };
  try {
    await server.start();
    for (const role of roles) {
      await user('add', role, '--role', role);
    }
    await test(server, user);
  } finally {
    await server.destroy();
  }
}

/** A page at the server, with what it should not say. */
async function openAt(browser, url) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(url);
  return { page, context, problems, asked, close: () => context.close() };
}

async function logIn(page, user, password = PASSWORD) {
  await page.getByLabel('User').fill(user);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

const memory = (page) =>
  within(SEEN_MS_MAX, 'a value', async () => /\d/.test(await stat(page, 'Memory').textContent()));

export const doorTests = {
  async 'a user logs in, sees what they may, and signs out'({ browser }) {
    await locked(['viewer', 'editor'], async (server) => {
      const { page, context, problems, close } = await openAt(browser, `${server.url}/#/boards/infra`);
      await page.getByRole('heading', { name: 'Pulseboard' }).waitFor();
      assert.equal(await page.locator('.panel').count(), 0, 'nothing is shown before the door');
      await logIn(page, 'viewer', 'not this one at all');
      await page.getByText('The user or the password is wrong.').waitFor();
      await logIn(page, 'viewer');
      await memory(page);
      assert.match(page.url(), /#\/boards\/infra$/);
      // What a viewer may not do is not offered, once the server has said who it is.
      for (const label of ['Edit the board', 'Share the board']) {
        await within(SEEN_MS_MAX, `no "${label}"`, async () => (await page.getByLabel(label).count()) === 0);
      }
      await page.keyboard.press('e');
      assert.match(page.url(), /#\/boards\/infra$/);
      // No script reads the cookie, and nothing of the login is where one could.
      const readable = await page.evaluate('document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })');
      const [cookie] = await context.cookies();
      assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, 'Strict', '/']);
      assert.ok(!readable.includes(cookie.value) && !readable.includes(PASSWORD), readable);

      await page.getByRole('button', { name: 'Look' }).click();
      await page.getByRole('button', { name: 'Change password' }).click();
      const change = async (current) => {
        await page.getByLabel('Current password').fill(current);
        await page.getByLabel('New password').fill(NEXT);
        await page.getByRole('button', { name: 'Change it' }).click();
      };
      await change('not this one at all');
      await page.getByText('The current password is another one.').waitFor();
      const marked = async (label) => (await page.getByLabel(label).getAttribute('aria-invalid')) === 'true';
      assert.deepEqual([await marked('Current password'), await marked('New password')], [true, false]);
      await change(PASSWORD);
      await page.getByText('The password is changed.').waitFor();
      assert.equal(await page.getByLabel('User').count(), 0, 'this login goes on');
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('User').waitFor();
      assert.equal(await page.locator('.panel').count(), 0, 'what was seen is not kept for whoever comes next');
      await logIn(page, 'viewer');
      await page.getByText('The user or the password is wrong.').waitFor();
      await logIn(page, 'viewer', NEXT);
      await memory(page);
      await page.getByRole('button', { name: 'Look' }).click();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('User').waitFor();
      await logIn(page, 'editor');
      await page.getByLabel('Edit the board').waitFor();
      assert.deepEqual(problems, []);
      await close();
    });
  },

  async 'a login holds on every transport, and its end keeps the page behind the question'({ browser }) {
    await locked(['viewer'], async (server, user) => {
      for (const transport of ['websocket', 'sse', 'longpoll', 'poll']) {
        const { page, problems, close } = await openAt(browser, `${server.url}/?transport=${transport}#/boards/infra`);
        await logIn(page, 'viewer');
        await memory(page);
        if (transport === 'websocket') {
          // The value stays on the screen while somebody else changes the user.
          await user('change', 'viewer');
          await page.getByRole('heading', { name: 'Your login has ended' }).waitFor();
          assert.match(await stat(page, 'Memory').textContent(), /\d/);
          await page.evaluate('window.same = true');
          await logIn(page, 'viewer');
          await page.getByRole('heading', { name: 'Your login has ended' }).waitFor({ state: 'detached' });
          await within(SEEN_MS_MAX, 'the link to come back', async () =>
            /^Live/.test((await page.locator('.pill').innerText()).trim()),
          );
          assert.equal(await page.evaluate('window.same'), true, 'the page goes on where it was');
        }
        assert.deepEqual(problems, []);
        await close();
      }
    });
  },

  async 'a link shows one board live, and dies when it is taken back'({ browser }) {
    await locked(['editor'], async (server) => {
      const editor = await openAt(browser, `${server.url}/#/boards/infra`);
      await logIn(editor.page, 'editor');
      await memory(editor.page);
      await editor.page.getByLabel('Share the board').click();
      await editor.page.getByLabel('What it is for').fill('the hall');
      await editor.page.getByRole('button', { name: 'Make a link' }).click();
      const made = editor.page.getByLabel('The link, shown this once');
      await made.waitFor();
      const url = await made.inputValue();
      const secret = /#\/share\/(pb_\S+)$/.exec(url)?.[1];
      assert.ok(secret !== undefined, url);

      const reader = await openAt(browser, url);
      await memory(reader.page);
      assert.equal(await reader.page.locator('.rail').count(), 0, 'nothing stands around it');
      for (const label of ['Edit the board', 'Share the board', 'Board']) {
        assert.equal(await reader.page.getByLabel(label, { exact: true }).count(), 0, label);
      }
      const instants = new Set();
      await within(SEEN_MS_MAX, 'the board to move', async () => {
        instants.add(await reader.page.locator('.instant').textContent());
        return instants.size > 2;
      });
      // A choice stays at the link's own address.
      await reader.page.getByLabel('Wall screen').click();
      assert.match(reader.page.url(), /#\/share\/pb_\S+\?kiosk=true$/);
      await reader.page.keyboard.press('Escape');
      assert.deepEqual(
        reader.asked
          .filter((asked) => asked.includes(secret))
          .map((asked) => asked.replace(/#.*/, ''))
          .filter((asked) => asked.includes(secret)),
        [],
        'the secret is in no address that is asked for',
      );
      const frames = await reader.page.evaluate('JSON.stringify({ ...localStorage, ...sessionStorage })');
      assert.ok(!frames.includes(secret), 'the secret is kept nowhere');

      await editor.page.getByRole('button', { name: 'Take back' }).click();
      await reader.page.getByRole('heading', { name: 'This link has ended' }).waitFor();
      assert.equal(await reader.page.locator('.panel').count(), 0);
      await reader.page.reload();
      await reader.page.getByRole('heading', { name: 'This link has ended' }).waitFor();
      assert.deepEqual([...reader.problems, ...editor.problems], []);
      await reader.close();
      await editor.close();
    });
  },

  async 'a page of another origin does nothing with the cookie of who is logged in'({ browser }) {
    await locked(['admin'], async (server) => {
      const other = createServer((_, response) => {
        response.setHeader('content-type', 'text/html');
        response.end('<!doctype html><title>other</title><iframe name="sink"></iframe>');
      });
      await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
      try {
        const { page, context, close } = await openAt(browser, `${server.url}/#/boards/infra`);
        await logIn(page, 'admin');
        await memory(page);
        // The same browser, the same site, another origin: a browser sends the cookie along.
        const evil = await context.newPage();
        const answers = [];
        evil.on('response', (response) => {
          if (response.url().startsWith(server.url)) {
            answers.push(`${response.request().method()} ${new URL(response.url()).pathname} ${response.status()}`);
          }
        });
        await evil.goto(`http://127.0.0.1:${other.address().port}/`);
        const tried = await evil.evaluate(attack, server.url);
        assert.deepEqual(tried, {
          socket: 'closed',
          events: 'failed',
          read: 'failed',
          json: 'failed',
          simple: 'opaque',
          user: 'failed',
          out: 'failed',
          login: 'failed',
        });
        // Whoever bears no cookie is told 401: the cookie came along, and was good for nothing.
        const refused = 'POST /api/v1/streams/e2e_evil/events 403';
        await within(SEEN_MS_MAX, 'the answer to a simple request', async () => answers.includes(refused));
        answers.length = 0;
        // A form goes wherever it likes; what counts is what the server says to it.
        await evil.evaluate((url) => {
          const form = document.createElement('form');
          form.method = 'post';
          form.enctype = 'text/plain';
          form.action = `${url}/api/v1/streams/e2e_evil/events`;
          form.target = 'sink';
          form.innerHTML = '<input name=\'{"a":1,"b":"\' value=\'"}\'>';
          document.body.append(form);
          form.submit();
        }, server.url);
        await within(SEEN_MS_MAX, 'the answer to the form', async () => answers.includes(refused));

        // Nothing was written, nobody was made or sent away.
        const seen = await page.evaluate(async () => {
          const get = async (path) => (await fetch(`/api/v1/${path}`)).json();
          return {
            streams: (await get('streams')).streams.map(({ name }) => name),
            users: (await get('users')).users.map(({ name }) => name),
            me: (await get('session')).name,
          };
        });
        assert.ok(!seen.streams.includes('e2e_evil'), seen.streams.join());
        assert.deepEqual([seen.users, seen.me], [['admin'], 'admin']);
        await close();
      } finally {
        other.close();
      }
    });
  },
};

/** Runs in the other origin's page: what it gets from each way to ask. */
async function attack(url) {
  const api = `${url}/api/v1`;
  const outcome = (asked) =>
    asked.then(
      (response) => (response.type === 'opaque' ? 'opaque' : `read ${response.status}`),
      () => 'failed',
    );
  const json = { 'content-type': 'application/json' };
  const socket = new Promise((resolve) => {
    const opened = new WebSocket(`${api.replace('http', 'ws')}/live`);
    opened.onopen = () => {
      opened.send(JSON.stringify({ type: 'publish', stream: 'e2e_evil', events: [{ a: 1 }] }));
      resolve('opened');
    };
    opened.onclose = () => resolve('closed');
  });
  const events = new Promise((resolve) => {
    const opened = new EventSource(`${api}/live/sse?channel=board:infra`, { withCredentials: true });
    opened.onopen = () => resolve('opened');
    opened.onerror = () => {
      opened.close();
      resolve('failed');
    };
  });
  const body = JSON.stringify({ a: 1 });
  return {
    socket: await socket,
    events: await events,
    read: await outcome(fetch(`${api}/tokens`, { credentials: 'include' })),
    json: await outcome(
      fetch(`${api}/streams/e2e_evil/events`, { method: 'POST', credentials: 'include', headers: json, body }),
    ),
    simple: await outcome(
      fetch(`${api}/streams/e2e_evil/events`, { method: 'POST', mode: 'no-cors', credentials: 'include', body }),
    ),
    user: await outcome(
      fetch(`${api}/users/eve`, {
        method: 'PUT',
        credentials: 'include',
        headers: json,
        body: JSON.stringify({ role: 'admin', password: 'a password of eve' }),
      }),
    ),
    out: await outcome(fetch(`${api}/session`, { method: 'DELETE', credentials: 'include' })),
    login: await outcome(
      fetch(`${api}/session`, {
        method: 'POST',
        credentials: 'include',
        headers: json,
        body: JSON.stringify({ user: 'admin', password: 'correct horse battery' }),
      }),
    ),
  };
}
