import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { chromium } from 'playwright-core';
import { findBrowser, PATIENCE_MS } from '../support/docs-page.js';
import { firstAdmin, url } from '../support/gateway.js';

const executablePath = findBrowser();
const skip = executablePath ? false : 'no chromium on the PATH: the page was not tried';
const PASSWORD = 'a quiet lantern burns';

async function post(path, body, bearer) {
  const headers = {
    'content-type': 'application/json',
    ...(bearer && { authorization: `Bearer ${bearer}` }),
  };
  const answer = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: answer.status, body: await answer.json() };
}

describe('the page behind a password link', { skip }, () => {
  const username = `grace${Date.now()}`;
  const complaints = [];
  let browser;
  let page;
  let link;

  before(async () => {
    const { username: name, password } = firstAdmin;
    const session = await post('/auth/token', { username: name, password });
    const made = await post('/admin/users', { username }, session.body.access_token);
    assert.equal(made.status, 201, JSON.stringify(made.body));
    link = url + new URL(made.body.password_link.url).pathname + `#${made.body.password_link.token}`;
    const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    browser = await chromium.launch({ executablePath, args, timeout: PATIENCE_MS });
    page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on(
      'console',
      (message) => message.text().includes('Content Security') && complaints.push(message.text()),
    );
    page.on('request', (request) => request.url().startsWith(url) || complaints.push(request.url()));
    await page.goto(link);
  });
  after(() => browser?.close());

  const set = async (password, again = password) => {
    await page.getByLabel('New password').fill(password);
    await page.getByLabel('Once more').fill(again);
    await page.getByRole('button', { name: 'Set password' }).click();
  };
  const says = (text) => page.getByRole('status').filter({ hasText: text }).waitFor();
  // As a person does it: only what is behind the # differs, so the browser loads nothing by itself.
  const putIntoTab = (address) => page.goto(address);
  const field = () => page.getByLabel('New password');

  it('says what is wrong with a password', async () => {
    await set(PASSWORD, `${PASSWORD}!`);
    await says('The two are not the same.');
    await set('password1234');
    await says('The password is among the first ones that attackers try; choose another.');
  });

  it('takes the whole link when it is put into the tab of one that lacked its end', async () => {
    await putIntoTab(link.slice(0, -1));
    await says('This link does not work');
    assert.equal(await field().count(), 1);
    assert.ok(await field().isHidden());
    await putIntoTab(link);
    await field().waitFor();
  });

  it('sets one, which then logs in, and forgets the link', async () => {
    await set(PASSWORD);
    await says('The password is set.');
    assert.equal(new URL(page.url()).hash, '');
    assert.equal(await page.getByRole('heading', { level: 1 }).innerText(), 'Your new password');
    assert.deepEqual(await page.locator('code').allInnerTexts(), [`opencode auth login ${url}`, `${url}/v1`]);
    assert.equal(await page.getByRole('link').getAttribute('href'), `${url}/docs`);
    assert.equal((await post('/auth/token', { username, password: PASSWORD })).status, 200);
  });

  it('says of a link that has been used that it works no more, before anything is typed', async () => {
    await putIntoTab(link);
    await says('This link does not work');
    assert.ok(await field().isHidden());
  });

  it('is dark where people want it so, fields and button included', async () => {
    const luminance = (selector, property) =>
      page.locator(selector).evaluate((element, name) => {
        const [red, green, blue] = getComputedStyle(element)[name].match(/\d+/g).map(Number);
        return (0.299 * red + 0.587 * green + 0.114 * blue) / 255;
      }, property);
    await page.evaluate(() => (document.querySelector('form').hidden = false));
    for (const colorScheme of ['dark', 'light']) {
      await page.emulateMedia({ colorScheme });
      const isDark = colorScheme === 'dark';
      for (const part of ['body', 'input[name=password]', 'button[name=set]']) {
        const [ground, text] = [await luminance(part, 'backgroundColor'), await luminance(part, 'color')];
        assert.ok(Math.abs(ground - text) > 0.4, `${part} in ${colorScheme}: ${ground}, ${text}`);
        if (!part.startsWith('button')) assert.equal(ground < 0.5, isDark, `${part} in ${colorScheme}`);
      }
    }
  });

  it('asks nothing of anybody else, and breaks no policy', () => assert.deepEqual(complaints, []));
});
