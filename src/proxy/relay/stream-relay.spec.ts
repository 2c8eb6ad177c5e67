import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApiException } from '../../common/api.exception';
import type { Exchange, Receipt } from './exchange';
import { StreamRelay } from './stream-relay';

const chunk = (finish: string) =>
  `data: {"model":"m","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":${finish}}]}\n\n`;
const ERROR = 'data: {"error": {"message": "dead", "type": "InternalServerError", "code": 500}}\n\n';
const ended = new ApiException({ status: 403, code: 'request_ended', message: 'Somebody has ended it.' });
const expected = {
  servedModel: 'm',
  publicModel: 'm',
  choices: 1,
  prompts: 1,
  wantsUsage: false,
  wantsContinuousUsage: false,
};

/** What a client reads of a stream that ends so, and what is entered of it. */
async function relayed(events: string[], end: (relay: StreamRelay) => Receipt) {
  let receipt: Receipt | undefined;
  const server = createServer((_, response) => {
    const relay = new StreamRelay({ expected, arrivedAt: 0 } as Exchange, response);
    for (const event of events) relay.push(Buffer.from(event));
    receipt = end(relay);
    if (receipt.deliver) receipt.deliver();
    else response.end();
  }).listen(0, '127.0.0.1');
  try {
    await new Promise((resolve) => server.once('listening', resolve));
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const text = await answer.text();
    return {
      outcome: receipt?.outcome,
      errors: text.match(/"code":\d+/g) ?? [],
      done: text.endsWith('[DONE]\n\n'),
    };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe('StreamRelay', () => {
  const ends: [string, (relay: StreamRelay) => Receipt, string][] = [
    ['cut', (relay) => relay.cut('It broke.'), '"code":502'],
    ['cut short', (relay) => relay.cutShort(ended), '"code":403'],
    ['ended', (relay) => relay.end(), '"code":502'],
  ];

  it.each(ends)('says so when it is %s before its end, once', async (_, end, code) => {
    const cut = { outcome: 'upstream_error', errors: [code], done: true };
    expect(await relayed([chunk('null')], end)).toEqual(cut);
  });

  it.each(ends)('is whole when it is %s after its end', async (_, end) => {
    const whole = { outcome: 'completed', errors: [], done: true };
    expect(await relayed([chunk('null'), chunk('"stop"')], end)).toEqual(whole);
  });

  it('begins with an event that something on the way put a comment before', async () => {
    const whole = { outcome: 'completed', errors: [], done: true };
    expect(await relayed([`: keep\n${chunk('"stop"')}`], (relay) => relay.end())).toEqual(whole);
  });

  it.each(ends)('is what vLLM said when it is %s after an error', async (_, end) => {
    const failed = { outcome: 'upstream_error', errors: ['"code":500'], done: true };
    expect(await relayed([chunk('null'), ERROR], end)).toEqual(failed);
    // Whether the two come in one piece or not, and with or without a space.
    expect(await relayed([chunk('null') + ERROR], end)).toEqual(failed);
    expect(await relayed([chunk('null'), ERROR.replace(': ', ':')], end)).toEqual(failed);
  });
});
