import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { chromium } from 'playwright-core';
import { findBrowser, PATIENCE_MS } from '../support/docs-page.js';
import { admin, ask, baseURL, url } from '../support/gateway.js';

const executablePath = findBrowser();
const skip = executablePath ? false : 'no chromium on the PATH: the page was not tried';
const PASSWORD = 'a quiet lantern burns';

describe('the page behind the link of an invitation', { skip }, () => {
  const username = `invited${Date.now()}`;
  const complaints = [];
  const asked = [];
  let browser;
  let page;
  let link;
  let cut;
  let token;

  before(async () => {
    ({ token } = await admin());
    const invitation = await ask('POST', `${url}/admin/invitations`, {
      token,
      body: { note: 'a <b>note</b>' },
    });
    link = url + new URL(invitation.url).pathname + new URL(invitation.url).hash;
    assert.equal(new URL(link).hash, `#${invitation.token}`);
    cut = link.slice(0, -1);
    const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    browser = await chromium.launch({ executablePath, args, timeout: PATIENCE_MS });
    page = await browser.newPage({ permissions: ['clipboard-read', 'clipboard-write'] });
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('dialog', (dialog) => complaints.push(dialog.message()) && dialog.dismiss());
    page.on(
      'console',
      (message) => message.text().includes('Content Security') && complaints.push(message.text()),
    );
    page.on('request', (request) => asked.push(request.url()));
    await page.goto(link);
  });
  after(() => browser?.close());

  const make = async (name, password, again = password) => {
    await page.getByLabel('Username').fill(name);
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByLabel('Password once more').fill(again);
    await page.getByRole('button', { name: 'Make account' }).click();
  };
  const says = (text) => page.getByRole('status').filter({ hasText: text }).waitFor();
  // As a person does it: only what is behind the # differs, so the browser loads nothing by itself.
  const putIntoTab = (address) => page.goto(address);

  it('says what is wrong with a name or a password, as text', async () => {
    await make(username, PASSWORD, `${PASSWORD}!`);
    await says('The two passwords are not the same.');
    await make('<img/src=x/onerror=alert(1)>', PASSWORD);
    await says('Choose another username');
    await make(username, 'password1234');
    await says('among the first ones that attackers try');
    assert.equal(await page.locator('img, [role=status] *').count(), 0);
  });

  it('takes the whole link when it is put into the tab of one that lacked its end', async () => {
    await putIntoTab(cut);
    await says('This link does not work');
    assert.ok(await page.getByLabel('Username').isHidden());
    await putIntoTab(link);
    await page.getByLabel('Username').waitFor();
  });

  it('makes the account, shows its first key, which works, and forgets the link', async () => {
    await make(username, PASSWORD);
    await says(`The account ${username} is made.`);
    const [key, command, base] = await page.locator('code').allInnerTexts();
    assert.match(key, /^llmk_/);
    assert.deepEqual([command, base], [`opencode auth login ${url}`, baseURL]);
    assert.equal(await page.getByRole('heading', { level: 1 }).innerText(), 'Your account');
    assert.ok((await ask('GET', `${base}/models`, { token: key })).data.length > 0);
    assert.equal(page.url(), `${url}/auth/register`);
    assert.equal(await page.getByRole('button', { name: 'Make account' }).count(), 0);
    assert.ok(await ask('POST', `${url}/auth/token`, { body: { username, password: PASSWORD } }));
  });

  it('copies the key at the press of a button, also where a browser has no clipboard for pages', async () => {
    const key = await page.locator('#key').innerText();
    const copy = page.getByRole('button').first();
    for (const withClipboard of [true, false]) {
      await page.evaluate((text) => navigator.clipboard.writeText(text), 'something else');
      if (!withClipboard) {
        await page.evaluate(() => {
          window.kept = navigator.clipboard;
          Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true });
        });
      }
      await page.getByText('Copied').waitFor({ state: 'hidden' });
      await copy.click();
      await page.getByText('Copied').waitFor();
      assert.equal(await page.evaluate(() => (window.kept ?? navigator.clipboard).readText()), key);
    }
  });

  it('shows the key once: not when it is loaded again, and the link makes no second account', async () => {
    await page.reload();
    await says('or it has done its work here already');
    await putIntoTab(link);
    await says('This link does not work');
    assert.ok(await page.getByLabel('Username').isHidden());
    assert.doesNotMatch(await page.content(), /llmk_/);
  });

  it('asks nothing of anybody else, never with the token in an address, and breaks no policy', () => {
    assert.deepEqual(complaints, []);
    // What a browser calls the URL of a page it loads has its fragment; nothing else may.
    const pages = asked.filter((one) => one !== link && one !== cut);
    assert.deepEqual([...new Set(pages)], [`${url}/auth/register`, `${url}/auth/register/check`]);
  });

  it('is not shown in a frame of another site', async () => {
    const site = createServer((_, response) => {
      response.setHeader('content-type', 'text/html').end(`<iframe src="${link}"></iframe>`);
    });
    await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
    const evil = await browser.newPage();
    const refused = new Promise((resolve) => evil.on('console', (message) => resolve(message.text())));
    try {
      await evil.goto(`http://127.0.0.1:${site.address().port}/`);
      assert.match(await refused, /frame-ancestors/);
      for (const frame of evil.frames().slice(1)) assert.equal(await frame.locator('form').count(), 0);
    } finally {
      await evil.close();
      site.close();
    }
  });

  it('runs no script but its own, whoever puts one there', async () => {
    await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.body.append(script);
      document.body.insertAdjacentHTML('beforeend', '<img src="data:," onerror="window.ran = true">');
    });
    assert.equal(await page.evaluate(() => window.ran), undefined);
  });
});
