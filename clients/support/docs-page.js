import { accessSync, constants, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const SHOTS = join(import.meta.dirname, '..', 'output', 'docs');
/** Ends what hangs: without a graphics card a slow machine takes its time. */
export const PATIENCE_MS = 120_000;

/** A browser of this machine; null when there is none on the PATH, which is no excuse where everything must be tried. */
export function findBrowser() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const candidates = BROWSERS.flatMap((name) => folders.map((folder) => join(folder, name)));
  const found = candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (!found && process.env.CI)
    throw new Error(`CI is set, and none of ${BROWSERS.join(', ')} is on the PATH`);
  return found ?? null;
}

function shot(name) {
  mkdirSync(SHOTS, { recursive: true });
  return join(SHOTS, `${name}.png`);
}

/** It says so of every link with an underscore; ours are to errors, by their code. */
const OF_SWAGGER_UI = /escaping deep link whitespace/;

/** Swagger UI in a real browser, used as a person would: by what is to be seen and pressed. */
export class DocsPage {
  /** What the browser complained of, and what it asked of others than the gateway. */
  complaints = [];

  static async open(executablePath, url) {
    // Chromium has no sandbox for root, which is who runs the tests in a container.
    const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    const browser = await chromium.launch({ executablePath, args, timeout: PATIENCE_MS });
    const page = await browser.newPage({ viewport: { width: 1_280, height: 900 } });
    page.setDefaultTimeout(PATIENCE_MS);
    const docs = new DocsPage(browser, page, url);
    page.on('console', (message) => {
      if (message.type() === 'error' && !OF_SWAGGER_UI.test(message.text()))
        docs.complaints.push(message.text());
    });
    page.on('pageerror', (error) => docs.complaints.push(error.message));
    page.on('request', (request) => {
      const target = request.url();
      if (!target.startsWith(url) && !target.startsWith('data:')) docs.complaints.push(`asked ${target}`);
    });
    await docs.goTo('/docs');
    return docs;
  }

  constructor(browser, page, url) {
    Object.assign(this, { browser, page, url });
  }

  async goTo(path) {
    await this.page.goto(this.url + path);
    await this.page.locator('.opblock').first().waitFor();
  }

  shoot = (name, options = {}) => this.page.screenshot({ path: shot(name), ...options });

  /** The tags as they stand on the page. */
  tags = () => this.page.locator('.opblock-tag').evaluateAll((tags) => tags.map((tag) => tag.dataset.tag));

  /** The routes that are shown. */
  routes = () =>
    this.page.locator('.opblock-summary').evaluateAll((rows) =>
      rows.map((row) =>
        ['.opblock-summary-method', '[data-path]']
          .map((part) => row.querySelector(part))
          .map((part) => part.dataset.path ?? part.textContent)
          .join(' '),
      ),
    );

  openDialog = () => this.page.locator('.auth-wrapper .authorize').first().click();
  closeDialog = () => this.page.locator('.dialog-ux .close-modal').click();
  scheme = (name) => this.page.locator('.auth-container', { has: this.page.getByRole('heading', { name }) });

  async logIn(username, password) {
    await this.openDialog();
    const form = this.scheme(/^session/);
    await form.locator('#oauth_username').fill(username);
    await form.locator('#oauth_password').fill(password);
    await this.shoot('authorize');
    await form.locator('button.authorize').click();
    await form.locator('button', { hasText: 'Logout' }).waitFor();
    await this.closeDialog();
  }

  async useKey(key) {
    await this.openDialog();
    const form = this.scheme(/^api-key/);
    await form.locator('input').fill(key);
    await form.locator('button.authorize').click();
    await this.closeDialog();
  }

  /** What the browser keeps of the log-ins: as it stands there, and of the session. */
  async keptAuthorization() {
    const text = await this.page.evaluate(() => localStorage.getItem('authorized'));
    return { text, ...JSON.parse(text) };
  }

  /** Runs a route with what the page fills in, but for these parameters; status and text of its answer. */
  async run(operationId, parameters = {}) {
    const block = this.page.locator(`.opblock[id$="-${operationId}"]`);
    if (!(await block.evaluate((element) => element.classList.contains('is-open')))) {
      await block.locator('.opblock-summary-control').click();
    }
    for (const [name, value] of Object.entries(parameters)) {
      await block.locator(`tr[data-param-name="${name}"] input`).fill(value);
    }
    await block.locator('button.execute').click();
    const answer = block.locator('.live-responses-table .response');
    await answer.waitFor();
    await block.screenshot({ path: shot(operationId) });
    return {
      status: Number(
        await answer
          .locator('.response-col_status')
          .innerText()
          .then((text) => text.split('\n')[0]),
      ),
      text: await answer.locator('.response-col_description .highlight-code code').first().innerText(),
    };
  }

  close = () => this.browser.close();
}
