import type { Env } from '../../config/env';
import { asHtml } from './page';

/** A text with a button that copies it. */
export const copied = (id: string, text = ''): string =>
  `<div class="copied"><code id="${id}">${asHtml(text)}</code><button type="button" data-copies="${id}">Copy</button></div>`;

/** What somebody does who has an account and a key, with addresses that begin with PUBLIC_URL whatever was asked for. */
export function nextSteps({ publicUrl, DOCS_ACCESS }: Env): string {
  // In another tab: a key that is shown once goes with this one.
  const docs = `
<h2>To log in, and for all else</h2>
<p>The documentation has a button <b>Authorize</b> to log in with, and shows how API keys are made:
<a href="${asHtml(`${publicUrl}/docs`)}" target="_blank" rel="noopener noreferrer">${asHtml(`${publicUrl}/docs`)}</a></p>`;
  return `
<h2>With opencode</h2>
<p>Run this, and paste the API key when it asks:</p>
${copied('command', `opencode auth login ${publicUrl}`)}
<h2>With other programs</h2>
<p>OpenAI’s SDKs, and most others, need the API key and this base URL:</p>
${copied('base', `${publicUrl}/v1`)}${DOCS_ACCESS === 'public' ? docs : ''}`;
}
