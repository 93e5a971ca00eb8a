/** Journeys through the board editor and the explorer, each against the real server and its files. */

import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openPage } from './page.mjs';
import { within } from './wait.mjs';

const SEEN_MS_MAX = 15_000;

const TOTAL = 'SELECT sum(total) AS total FROM edit_orders';
const PER_ITEM = 'SELECT item, count(*) AS n FROM edit_orders GROUP BY item';

/** What the journeys ask about. */
async function prepare(server) {
  await server.post('edit_orders', [
    { item: 'flask', total: 24.5 },
    { item: 'tent', total: 175.5 },
  ]);
}

const fileOf = (server, board) => join(server.dir, 'boards', `${board}.toml`);
const textOf = (server, board) => readFile(fileOf(server, board), 'utf8').catch(() => '');

/** A board with one panel and, if wanted, more, as somebody else would write it. */
async function writeBoard(server, board, title, more = '') {
  const text = `# kept by hand\ntitle = "${title}"\n\n[[panels]]\nid = "total"\ntype = "stat"\ntitle = "Total"\nsql = "${TOTAL}"\nx = 0\ny = 0\nw = 3\nh = 2\n${more}`;
  await mkdir(join(server.dir, 'boards'), { recursive: true });
  await writeFile(fileOf(server, board), text);
  await within(SEEN_MS_MAX, 'the server to have read the file', async () => {
    const response = await fetch(`${server.url}/api/v1/boards/${board}`);
    return response.ok && (await response.json()).title === title;
  });
}

const MORE = `\n[[panels]]\nid = "items"\ntype = "table"\ntitle = "Items"\nsql = "${PER_ITEM}"\nx = 3\ny = 0\nw = 4\nh = 4\n`;

const tile = (page, title) =>
  page.locator('.ed-slot, .react-grid-item', { has: page.getByText(title, { exact: true }) });
const cover = (page, id) => page.locator(`.ed-cover[data-panel="${id}"]`);
const value = (page) => page.locator('[data-part=value]').first();
const dialog = (page, title) => page.locator('dialog[open]', { hasText: title });
const said = (page) => page.locator('p[role=status]').textContent();
const placeOf = async (page, id) =>
  /column (\d+), row (\d+), (\d+) wide, (\d+) high/
    .exec(await cover(page, id).getAttribute('aria-label'))
    ?.slice(1, 5)
    .map(Number);

async function typeQuery(page, sql) {
  await page.keyboard.insertText(sql);
}

async function saved(page) {
  await within(SEEN_MS_MAX, 'it to be saved', async () => /· saved/.test(await page.locator('.top-bar').innerText()));
}

/** What is not finished is refused, and the browser notes each refusal. */
const unexpected = (problems) => problems.filter((problem) => !/status of 400/.test(problem));

/** Moves the pointer in steps, as a hand does. */
async function drag(page, from, to) {
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move((from.x + to.x) / 2, (from.y + to.y) / 2, { steps: 6 });
  await page.mouse.move(to.x, to.y, { steps: 6 });
  await page.mouse.up();
}

/** Where a tile is once it has arrived: it glides to its place. */
async function rested(tile) {
  let box = await tile.boundingBox();
  await within(SEEN_MS_MAX, 'the tile to rest', async () => {
    const before = box;
    box = await tile.boundingBox();
    return JSON.stringify(box) === JSON.stringify(before);
  });
  return box;
}

export const editorTests = {
  async 'a board is built from nothing with the mouse'({ browser, server }) {
    await prepare(server);
    const { page, problems, close } = await openPage(browser, server, '#/edit');
    await page.getByRole('button', { name: 'Add a panel' }).click();
    await dialog(page, 'Add a panel')
      .getByRole('button', { name: /^Number/ })
      .click();
    await page.locator('.cm-content').click();
    await typeQuery(page, TOTAL);
    await within(SEEN_MS_MAX, 'the picture of what is typed', async () => (await value(page).textContent()) === '200');
    await page.getByLabel('Title', { exact: true }).fill('Total');
    await page.getByRole('button', { name: 'Back to the board' }).click();
    const box = await tile(page, 'Total').boundingBox();
    const column_px = box.width / 3;
    await drag(page, { x: box.x + 60, y: box.y + 60 }, { x: box.x + 60 + 4 * column_px, y: box.y + 60 });
    assert.deepEqual(await placeOf(page, 'stat'), [5, 1, 3, 2]);
    const moved = await rested(tile(page, 'Total'));
    const corner = { x: moved.x + moved.width - 8, y: moved.y + moved.height - 8 };
    await drag(page, corner, { x: corner.x + 2 * column_px, y: corner.y + 80 });
    assert.deepEqual(await placeOf(page, 'stat'), [5, 1, 5, 3]);
    await page.getByLabel('Title of the board').fill('Made by hand');
    await page.getByRole('button', { name: /^Save/ }).click();
    await dialog(page, 'Save the board').getByRole('button', { name: 'Save' }).click();
    await saved(page);
    const text = await textOf(server, 'made_by_hand');
    assert.match(text, /title = "Made by hand"/);
    assert.match(text, /x = 4\ny = 0\nw = 5\nh = 3/);
    await page.getByRole('button', { name: 'Done' }).click();
    await within(
      SEEN_MS_MAX,
      'the board itself',
      async () => (await page.locator('.board [data-part=value]').textContent()) === '200',
    );
    await server.post('edit_orders', { item: 'flask', total: 50 });
    await within(
      SEEN_MS_MAX,
      'it to be live',
      async () => (await page.locator('.board [data-part=value]').textContent()) === '250',
    );
    assert.deepEqual(unexpected(problems), []);
    await close();
  },

  async 'a board is built from nothing with the keyboard alone'({ browser, server }) {
    await prepare(server);
    const { page, problems, close } = await openPage(browser, server, '#/edit');
    const press = async (...keys) => {
      for (const key of keys) {
        await page.keyboard.press(key);
      }
    };
    // What was done is said before it is drawn.
    const tiles = (count) =>
      within(SEEN_MS_MAX, `${count} tiles`, async () => (await page.locator('.ed-cover').count()) === count);
    await page.getByRole('button', { name: 'Add a panel' }).waitFor();
    await press('a');
    await dialog(page, 'Add a panel').waitFor();
    await press('Tab', 'Tab', 'Enter');
    await page.locator('.cm-content').waitFor();
    await typeQuery(page, PER_ITEM);
    await within(SEEN_MS_MAX, 'rows of what is typed', async () =>
      /flask/.test(await page.locator('.ed-preview').innerText()),
    );
    await press('Escape', 'Escape', 'Escape');
    await within(
      SEEN_MS_MAX,
      'the focus on the panel',
      async () => await cover(page, 'table').evaluate((each) => each === document.activeElement),
    );
    await press('ArrowRight', 'ArrowRight', 'Shift+ArrowRight', 'Shift+ArrowUp');
    assert.deepEqual(await placeOf(page, 'table'), [3, 1, 5, 3]);
    assert.match(await said(page), /column 3, row 1, 5 wide, 3 high/);
    await press('d');
    await within(
      SEEN_MS_MAX,
      'the copy to have the focus',
      async () => await cover(page, 'table_2').evaluate((each) => each === document.activeElement),
    );
    assert.match(await said(page), /Added New table \(copy\)/);
    await press('Delete');
    assert.match(await said(page), /Deleted New table \(copy\)/);
    await tiles(1);
    await press('Control+z');
    assert.match(await said(page), /Undone: delete/);
    await tiles(2);
    await press('Control+Shift+z');
    await tiles(1);
    await press('Control+s');
    await dialog(page, 'Save the board').waitFor();
    await press('Control+a');
    await page.keyboard.insertText('by_keys');
    await press('Enter');
    await saved(page);
    const text = await textOf(server, 'by_keys');
    assert.match(text, /type = "table"/);
    assert.match(text, /x = 2\ny = 0\nw = 5\nh = 3/);
    assert.deepEqual(unexpected(problems), []);
    await close();
  },

  async 'a wrong query is marked in its place while the old picture stays'({ browser, server }) {
    await prepare(server);
    await writeBoard(server, 'wrong', 'Wrong');
    const { page, close } = await openPage(browser, server, '#/edit/wrong');
    await cover(page, 'total').dblclick();
    await within(SEEN_MS_MAX, 'the value', async () => /\d/.test(await value(page).textContent()));
    const before = await value(page).textContent();
    await page.locator('.cm-content').click();
    await page.keyboard.press('Control+a');
    await typeQuery(page, 'SELECT sum(totl) AS total FROM edit_orders');
    await page.locator('.cm-lintRange-error', { hasText: 'totl' }).waitFor();
    assert.match(await page.locator('.ed-query .problem').innerText(), /line 1, column 12.*totl/s);
    assert.equal(await value(page).textContent(), before);
    await page.keyboard.press('Control+a');
    await typeQuery(page, 'SELECT count(*) AS total FROM edit_orders');
    await within(SEEN_MS_MAX, 'the new picture', async () => /^\d$/.test(await value(page).textContent()));
    assert.equal(await page.locator('.ed-query .problem').count(), 0);
    await close();
  },

  async 'what the server does not take is marked at its field'({ browser, server }) {
    await prepare(server);
    await writeBoard(server, 'fields', 'Fields');
    const { page, close } = await openPage(browser, server, '#/edit/fields');
    await cover(page, 'total').waitFor();
    await page.getByRole('button', { name: 'Board settings' }).click();
    const field = page.getByRole('combobox', { name: 'Time zone' });
    await field.fill('Nowhere/City');
    await within(
      SEEN_MS_MAX,
      'what is wrong with it',
      async () => (await field.getAttribute('aria-invalid')) === 'true',
    );
    await field.fill('Europe/Berlin');
    await within(
      SEEN_MS_MAX,
      'nothing to be wrong',
      async () => (await field.getAttribute('aria-invalid')) === 'false',
    );
    await close();
  },

  async 'a file that is edited on disk changes the open board and the open editor'({ browser, server }) {
    await prepare(server);
    await writeBoard(server, 'disk', 'Before');
    const board = await openPage(browser, server, '#/boards/disk');
    const editor = await openPage(browser, server, '#/edit/disk');
    await board.page.getByRole('heading', { name: 'Before' }).waitFor();
    await cover(editor.page, 'total').waitFor();
    await within(SEEN_MS_MAX, 'a value', async () => /\d/.test(await value(board.page).textContent()));
    await writeBoard(server, 'disk', 'After', MORE);
    await board.page.getByRole('heading', { name: 'After' }).waitFor();
    await within(SEEN_MS_MAX, 'the new panel', async () =>
      /flask/.test(await board.page.locator('.board').innerText()),
    );
    await cover(editor.page, 'items').waitFor();
    assert.equal(await editor.page.getByLabel('Title of the board').inputValue(), 'After');
    await writeFile(fileOf(server, 'disk'), 'title = "Broken');
    await editor.page.locator('.ed-banner').waitFor();
    assert.match(await editor.page.locator('.ed-banner').innerText(), /file on disk cannot be used/);
    assert.equal(await board.page.locator('h1').innerText(), 'After');
    assert.deepEqual(await board.page.evaluate('window.blanks'), []);
    assert.deepEqual(unexpected(board.problems), []);
    await board.close();
    await editor.close();
  },

  async 'what two people do to one board is put together'({ browser, server }) {
    await prepare(server);
    await writeBoard(server, 'both', 'Both');
    const { page, close } = await openPage(browser, server, '#/edit/both');
    await cover(page, 'total').focus();
    await page.keyboard.press('ArrowRight');
    await writeBoard(server, 'both', 'Both of us', MORE);
    await page.keyboard.press('Control+s');
    const asked = dialog(page, 'changed meanwhile');
    await asked.waitFor();
    assert.match(await asked.innerText(), /added “Items”/);
    assert.match(await asked.innerText(), /moved “Total”/);
    assert.doesNotMatch(await textOf(server, 'both'), /x = 1/);
    await asked.getByRole('button', { name: 'Put both together' }).click();
    await cover(page, 'items').waitFor();
    await page.keyboard.press('Control+s');
    await saved(page);
    const text = await textOf(server, 'both');
    assert.match(text, /title = "Both of us"/);
    assert.match(text, /# kept by hand/);
    assert.match(text, /id = "items"/);
    assert.match(text, /x = 1\n/);
    await close();
  },

  async 'leaving with changes asks, and staying keeps them'({ browser, server }) {
    await prepare(server);
    await writeBoard(server, 'leave', 'Leave');
    const { page, problems, close } = await openPage(browser, server, '#/edit/leave');
    await cover(page, 'total').focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('.rail-item[aria-label=Streams]').click();
    const asked = dialog(page, 'Leave without saving?');
    await asked.getByRole('button', { name: 'Stay' }).click();
    assert.equal(await page.evaluate('location.hash'), '#/edit/leave');
    assert.deepEqual(await placeOf(page, 'total'), [2, 1, 3, 2]);
    await page.locator('.rail-item[aria-label=Streams]').click();
    await asked.getByRole('button', { name: 'Save and leave' }).click();
    await page.getByRole('heading', { name: 'Streams', exact: true }).first().waitFor();
    assert.match(await textOf(server, 'leave'), /x = 1\n/);
    assert.deepEqual(unexpected(problems), []);
    await close();
  },

  async 'a read-only board says so and is saved as a copy'({ browser, server }) {
    const { page, close } = await openPage(browser, server, '#/edit/infra');
    await page.locator('.ed-banner', { hasText: 'read-only' }).waitFor();
    await page.getByRole('button', { name: /^Save a copy/ }).click();
    const asked = dialog(page, 'Save a copy');
    await asked.getByRole('textbox').fill('my_machine');
    await asked.getByRole('button', { name: 'Save' }).click();
    await saved(page);
    assert.match(await textOf(server, 'my_machine'), /id = "cores"/);
    assert.equal(await page.locator('.ed-banner').count(), 0);
    await close();
  },

  async 'a board is renamed, exported, imported and deleted'({ browser, server }) {
    await prepare(server);
    await writeBoard(server, 'old_name', 'Named');
    const { page, close } = await openPage(browser, server, '#/edit/old_name');
    await cover(page, 'total').waitFor();
    const settings = () => page.getByRole('button', { name: 'Board settings' }).click();
    await settings();
    await page.getByRole('button', { name: 'Rename its file' }).click();
    await dialog(page, 'Rename the board').getByRole('textbox').fill('new_name');
    await page.getByRole('button', { name: 'Rename', exact: true }).click();
    await within(SEEN_MS_MAX, 'the new name', async () => (await page.evaluate('location.hash')) === '#/edit/new_name');
    assert.match(await textOf(server, 'new_name'), /# kept by hand/);
    assert.equal(await textOf(server, 'old_name'), '');
    await cover(page, 'total').waitFor();
    await settings();
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export TOML' }).click();
    const exported = await readFile(await (await download).path(), 'utf8');
    assert.equal(exported, await textOf(server, 'new_name'));
    await page.getByRole('button', { name: 'Import TOML' }).click();
    await page.getByLabel('TOML of a board').fill(`${exported}${MORE}`);
    await page.getByRole('button', { name: 'Take it' }).click();
    await cover(page, 'items').waitFor();
    await page.keyboard.press('Control+s');
    await saved(page);
    assert.match(await textOf(server, 'new_name'), /id = "items"/);
    await settings();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('button', { name: 'Delete new_name.toml' }).click();
    await within(SEEN_MS_MAX, 'the file to be gone', async () => (await textOf(server, 'new_name')) === '');
    await within(SEEN_MS_MAX, 'the way home', async () => (await page.evaluate('location.hash')) === '#/');
    await close();
  },

  async 'an answer over time is drawn, explained, and becomes a panel or a view'({ browser, server }) {
    await prepare(server);
    const sql = `SELECT date_trunc('second', time) AS t, item, count(*) AS n FROM edit_orders WHERE time > now() - interval '15 minutes' GROUP BY 1, 2`;
    const { page, problems, close } = await openPage(browser, server, `#/explore?${new URLSearchParams({ sql })}`);
    await page.locator('.answer-chart .uplot').waitFor();
    await page.getByRole('button', { name: 'Table', exact: true }).click();
    await within(SEEN_MS_MAX, 'rows', async () => /flask/.test(await page.locator('.result').innerText()));
    await page.getByRole('button', { name: 'Plan', exact: true }).click();
    assert.match(await page.locator('.plan').innerText(), /TableScan: edit_orders/);
    await page.getByRole('button', { name: 'Save as view' }).click();
    await dialog(page, 'Save as a view').getByRole('textbox').fill('edit_per_second');
    await page.keyboard.press('Enter');
    await dialog(page, 'Saved').getByRole('button', { name: 'Close' }).click();
    assert.equal((await fetch(`${server.url}/api/v1/views/edit_per_second`)).status, 200);
    await page.getByRole('button', { name: 'Chart', exact: true }).click();
    await page.getByRole('button', { name: 'Save as panel' }).click();
    await page.getByLabel('Title', { exact: true }).fill('Orders by item');
    await page.getByLabel('Board', { exact: true }).selectOption('');
    await page.getByRole('button', { name: 'Put it on the board' }).click();
    await page.locator('.ed-preview .uplot').waitFor();
    assert.equal(await page.getByLabel('Series column').inputValue(), 'item');
    assert.equal(await page.getByLabel('Range', { exact: true }).inputValue(), '15m');
    assert.deepEqual(unexpected(problems), []);
    await close();
  },

  async 'rows that were rejected are shown with the reason'({ browser, server }) {
    await server.post('edit_orders', { item: 'lamp', total: 1.5 });
    await fetch(`${server.url}/api/v1/streams/edit_orders/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify([{ item: 'lamp', total: 'much' }]),
    });
    const { page, problems, close } = await openPage(browser, server, '#/streams/edit_orders');
    await page.getByRole('button', { name: /^Rejected rows/ }).click();
    await within(SEEN_MS_MAX, 'the row', async () => /expected float/.test(await page.locator('.tail').innerText()));
    assert.match(await page.locator('.tail').innerText(), /"total":"much"/);
    assert.deepEqual(unexpected(problems), []);
    await close();
  },
};
