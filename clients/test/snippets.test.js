import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import {
  ask,
  differences,
  forgetJournal,
  journal,
  register,
  settledLedger,
  url,
} from '../support/gateway.js';
import { runSnippet, snippets } from '../support/snippets.js';

const PAGE = 'docs/clients.md';
const hasCurl = spawnSync('curl', ['--version']).status === 0;
const needsCurl = { skip: hasCurl ? false : 'curl is not on the PATH' };

/** Runs every block of a section with a new account's key; their output, one after the other. */
async function runSection(page, heading, user) {
  const blocks = snippets(page, heading);
  assert.ok(blocks.length > 0, `${page} shows no code under ${heading}`);
  let output = '';
  for (const block of blocks) {
    const { code, stdout, stderr } = await runSnippet(block, { LLM_API_KEY: user?.key ?? '' });
    assert.equal(code, 0, `${block.code}\n${stderr}`);
    output += stdout;
  }
  return { output, count: blocks.length };
}

/** A section whose blocks generate once each: every answer is shown, and billed to the owner of the key. */
async function generates(heading, shows) {
  const user = await register();
  await forgetJournal();
  const { output, count } = await runSection(PAGE, heading, user);
  assert.match(output, shows);
  const entries = await journal();
  assert.equal(entries.length, count);
  assert.deepEqual(differences(await settledLedger(user, count), entries), []);
}

describe('the code shown to users runs as it stands', () => {
  it('openai', () => generates('openai', /total_tokens: \d+/));
  it('Anthropic’s SDKs', () => generates("Anthropic's SDKs", /output_tokens: \d+/));
  it('AI SDK', () => generates('AI SDK', /\w+ \w+/));
  it('LangChain', () => generates('LangChain', /total_tokens: \d+/));
  it('embeddings and rerankers', needsCurl, () =>
    generates('Embeddings and rerankers', /2 vectors of 64[\s\S]*"relevance_score"/),
  );
  it('curl', needsCurl, () => generates('curl', /data: \[DONE\]/));

  it('the opencode.json of /connect, by curl', needsCurl, async () => {
    const user = await register();
    const block = snippets(PAGE, 'opencode').find(({ code }) => code.startsWith('curl'));
    const { code, stdout, stderr } = await runSnippet(
      { ...block, code: block.code.replace('-o opencode.json', '') },
      { LLM_API_KEY: user.key },
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      JSON.parse(stdout),
      await ask('GET', `${url}/connect/opencode.json`, { token: user.key }),
    );
  });

  it('the first request by hand, and what it cost', needsCurl, async () => {
    // One shell for all: a block uses what the one before it has set.
    const blocks = snippets('README.md', 'The first request by hand');
    const { code, stdout, stderr } = await runSnippet(
      { language: 'bash', code: blocks.map((block) => block.code).join('\n') },
      {},
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /"object":"chat\.completion"/);
    const used = /"tokens_used":(\d+)/.exec(stdout)?.[1];
    assert.ok(Number(used) > 0, stdout);
  });
});
