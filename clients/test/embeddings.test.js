import assert from 'node:assert/strict';
import { before, beforeEach, describe, it } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { OpenAIEmbeddings } from '@langchain/openai';
import { embedMany } from 'ai';
import OpenAI, { BadRequestError } from 'openai';
import {
  baseURL,
  differences,
  forgetJournal,
  journal,
  MODEL,
  register,
  registerSpent,
  settledLedger,
} from '../support/gateway.js';
import { refusal } from '../support/outcome.js';

const TEXTS = ['A gateway counts tokens.', 'A baker bakes bread.'];

describe('embeddings', () => {
  let user;
  beforeEach(async () => {
    user = await register();
    await forgetJournal();
  });

  const isBilled = async () => {
    const entries = await journal();
    assert.equal(entries.length, 1);
    const rows = await settledLedger(user, 1);
    assert.deepEqual(differences(rows, entries), []);
    assert.equal(rows[0].endpoint, 'embeddings');
    return entries[0];
  };

  it('openai: as numbers, whatever comes over the wire', async () => {
    const client = new OpenAI({ baseURL, apiKey: user.key });
    const { data, usage, model } = await client.embeddings.create({ model: MODEL, input: TEXTS });
    assert.equal(model, MODEL);
    assert.deepEqual(
      data.map(({ index, embedding }) => [index, embedding.length]),
      [
        [0, 64],
        [1, 64],
      ],
    );
    const length = Math.hypot(...data[0].embedding);
    assert.ok(Math.abs(length - 1) < 1e-5, String(length));
    const entry = await isBilled();
    assert.equal(entry.body.encoding_format, 'base64');
    assert.equal(usage.total_tokens, entry.promptTokens);
  });

  it('the AI SDK', async () => {
    const gateway = createOpenAICompatible({ name: 'gateway', baseURL, apiKey: user.key });
    const model = gateway.embeddingModel(MODEL);
    const { embeddings, usage } = await embedMany({ model, values: TEXTS });
    assert.equal(embeddings.length, 2);
    assert.equal(usage.tokens, (await isBilled()).promptTokens);
  });

  it('LangChain', async () => {
    const model = new OpenAIEmbeddings({ model: MODEL, apiKey: user.key, configuration: { baseURL } });
    assert.equal((await model.embedDocuments(TEXTS)).length, 2);
    await isBilled();
  });

  describe('refusals of openai', () => {
    let spent;
    before(async () => (spent = await registerSpent()));

    it('400, which names the field', async () => {
      const client = new OpenAI({ baseURL, apiKey: user.key });
      const error = await refusal(client.embeddings.create({ model: MODEL, input: [] }));
      assert.ok(error instanceof BadRequestError);
      assert.deepEqual([error.code, error.param], ['invalid_value', 'input']);
    });

    it('402 for a spent quota, once', async () => {
      const client = new OpenAI({ baseURL, apiKey: spent.key });
      const error = await refusal(client.embeddings.create({ model: MODEL, input: TEXTS }));
      assert.deepEqual([error.status, error.code], [402, 'insufficient_quota']);
      assert.deepEqual(await journal(), []);
    });
  });
});
