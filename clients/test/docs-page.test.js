import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DocsPage, findBrowser } from '../support/docs-page.js';
import { firstAdmin, url } from '../support/gateway.js';
import { startGateway } from '../support/gateway-process.js';

const browser = findBrowser();
const json = ({ text }) => JSON.parse(text);
const colour = (of, what) => of.evaluate((element, name) => getComputedStyle(element)[name], what);
const skip = browser ? false : 'no chromium on the PATH: the page was not tried';

describe('Swagger UI in a browser', { skip }, () => {
  let docs;
  before(async () => (docs = await DocsPage.open(browser, url)));
  after(async () => docs?.close());

  it('shows the routes in the order of work', async () => {
    await docs.shoot('start');
    await docs.shoot('whole', { fullPage: true });
    const tags = await docs.tags();
    assert.deepEqual(tags.slice(0, 3), ['Auth', 'Account', 'API keys']);
    assert.equal(tags.at(-1), 'Health');
  });

  it('logs in by Authorize, with username and password alone', async () => {
    await docs.logIn(firstAdmin.username, firstAdmin.password);
    const me = await docs.run('usersShow');
    assert.equal(me.status, 200, me.text);
    assert.equal(json(me).username, firstAdmin.username);
  });

  it('keeps of that log-in neither the password nor the refresh token', async () => {
    const { text, session } = await docs.keptAuthorization();
    assert.equal(session.name, 'session');
    assert.match(session.token.access_token, /^eyJ/);
    assert.deepEqual(Object.keys(session.token).sort(), ['access_token', 'expires_in', 'token_type']);
    assert.ok(!text.includes(firstAdmin.password) && !/llmr_|refresh_token|"password":/.test(text));
  });

  it('sets a token limit, as the example says', async () => {
    const set = await docs.run('tokenLimitSetOwn');
    assert.equal(set.status, 200, set.text);
    assert.ok(json(set).token_limit > 0, set.text);
  });

  it('creates a user and sets a cap for that user, as an administrator', async () => {
    const made = await docs.run('adminUsersCreate');
    assert.equal(made.status, 201, made.text);
    const { id } = json(made);
    const set = await docs.run('tokenLimitSetCap', { id });
    assert.equal(set.status, 200, set.text);
    const shown = await docs.run('adminUsersShow', { id });
    assert.equal(json(shown).token_limit, json(set).token_limit, shown.text);
  });

  it('makes an API key, generates with it, and shows what it cost, all by the examples that stand there', async () => {
    const made = await docs.run('apiKeysCreate');
    assert.equal(made.status, 201, made.text);
    await docs.useKey(json(made).key);
    const answer = await docs.run('completionsChat');
    assert.equal(answer.status, 200, answer.text);
    const usage = await docs.run('usageSummarize');
    assert.equal(usage.status, 200, usage.text);
    assert.ok(json(usage).tokens_used >= json(answer).usage.total_tokens, usage.text);
    const ofAll = await docs.run('adminUsageReport');
    assert.equal(ofAll.status, 200, ofAll.text);
    assert.ok(json(ofAll).totals.total_tokens >= json(answer).usage.total_tokens, ofAll.text);
  });

  it('stays logged in after a reload, and opens a route by its link', async () => {
    await docs.goTo('/docs#/Account/usersShow');
    await docs.page.reload();
    const open = docs.page.locator('.opblock.is-open');
    await open.waitFor();
    assert.equal(await open.getAttribute('id'), 'operations-Account-usersShow');
    assert.equal((await docs.run('usersShow')).status, 200);
    const { text, session } = await docs.keptAuthorization();
    assert.ok(session.token.access_token && !/llmr_|"password":/.test(text));
  });

  it('shows the explanation that the type of a problem leads to', async () => {
    const { type } = await (await fetch(`${url}/users/me`)).json();
    await docs.page.goto('about:blank');
    await docs.page.goto(type);
    const entry = docs.page.locator('#errors-missing_token');
    await entry.waitFor();
    assert.match(await entry.innerText(), /^401 missing_token: No access token/);
    await docs.shoot('error');
  });

  it('can be read in the dark', async () => {
    await docs.page.emulateMedia({ colorScheme: 'dark' });
    await docs.goTo('/docs');
    const block = docs.page.locator('.opblock[id$="-limitsPut"]');
    await block.locator('.opblock-summary-control').click();
    const label = block.locator('.examples-select__section-label').first();
    await label.waitFor();
    assert.equal(await colour(label, 'color'), 'rgb(228, 230, 230)');
    const bar = block.locator('.opblock-section-header').first();
    assert.equal(await colour(bar, 'backgroundColor'), 'rgb(58, 42, 34)');
    await docs.shoot('dark');
    await docs.page.emulateMedia({ colorScheme: null });
  });

  it('asks nothing of anybody else, and breaks no policy', () => {
    assert.deepEqual(docs.complaints, []);
  });
});

const needsDatabase = process.env.DATABASE_URL && 'DATABASE_URL holds one gateway, not two';

describe('Swagger UI with DOCS_ACCESS=admin', { skip: skip || needsDatabase || false }, () => {
  let gateway;
  let docs;
  before(async () => {
    gateway = await startGateway({ DOCS_ACCESS: 'admin' });
    docs = await DocsPage.open(browser, gateway.url);
  });
  after(async () => {
    await docs?.close();
    await gateway?.stop();
  });

  it('shows a stranger how to log in, and nothing that needs it', async () => {
    const routes = await docs.routes();
    assert.ok(routes.includes('POST /auth/token'), routes.join(', '));
    assert.deepEqual(
      routes.filter((route) => /\/users|\/admin|\/v1\/(?!\.well-known)/.test(route)),
      [],
    );
  });

  it('shows an admin everything after Authorize, also after a reload', async () => {
    const { username, password } = gateway.firstAdmin;
    await docs.logIn(username, password);
    const row = docs.page.locator('[data-path="/admin/limits"]').first();
    await row.waitFor();
    await docs.goTo('/docs');
    await row.waitFor();
    const me = await docs.run('usersShow');
    assert.equal(json(me).username, username);
    assert.deepEqual(docs.complaints, []);
  });
});
