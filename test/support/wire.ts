import { Metrics } from '../../src/observability/metrics';
import type { JournalEntry } from '../../src/simulator/journal';
import type { TestGateway, TestUser } from './gateway';
import { counterDifferences, settledRows } from './ledger';
import { openRaw, RawConnection } from './raw-connection';

export const CHAT = '/v1/chat/completions';

/** A body of a chat that the simulator answers as the steps say. */
export const says = (steps: object, fields: object = {}): string =>
  JSON.stringify({
    model: 'opencode-llm',
    messages: [{ role: 'user', content: `SIM:${JSON.stringify(steps)}` }],
    ...fields,
  });

export const BODY = says({ tokens: 3 });
export const STREAM = says({ tokens: 3 }, { stream: true });
export const SLOW_STREAM = says({ tokens: 400, tbtMs: 20 }, { stream: true });

export const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

/** OpenAI's envelope, for toEqual: with a sentence for a message. */
export const envelope = (code: string, type = 'invalid_request_error') => ({
  error: { message: expect.stringMatching(/^[A-Z].*\.$/), type, param: null, code },
});

/** Requests as bytes, for one user of a gateway, and what they leave behind. */
export class Wire {
  constructor(
    private readonly gateway: TestGateway,
    private readonly user: TestUser,
  ) {}

  /** Request line and headers, with the credential that its path takes. */
  head(line: string, headers: readonly string[] = []): string {
    const credential = line.includes(' /chat/') ? this.user.accessToken : this.user.key;
    const own = ['host: gateway', `authorization: Bearer ${credential}`, 'content-type: application/json'];
    return [line, ...own, ...headers, '', ''].join('\r\n');
  }

  post(body: string, headers: readonly string[] = [], target = CHAT, version = '1.1'): string {
    const length = `content-length: ${Buffer.byteLength(body)}`;
    return this.head(`POST ${target} HTTP/${version}`, [length, ...headers]) + body;
  }

  /** @param body with its chunks' sizes */
  chunked(body: string, headers: readonly string[] = []): string {
    return this.head(`POST ${CHAT} HTTP/1.1`, ['transfer-encoding: chunked', ...headers]) + body;
  }

  open(...bytes: string[]): RawConnection {
    const connection = openRaw(this.gateway.url);
    for (const part of bytes) connection.write(part);
    return connection;
  }

  /** What vLLM was asked to generate; now and then it is asked to count, too, for no request in particular. */
  get dispatched(): JournalEntry[] {
    return this.gateway.simulator.journal.entries.filter(({ path }) => path.endsWith('/completions'));
  }

  /** What is left once everything has had time to end; NOTHING_LEFT, if all is well. */
  async aftermath() {
    await this.gateway.simulator.journal.waitForIdle(30_000);
    const billed = new Set((await settledRows(this.gateway, this.user.id)).map((row) => row.request_id));
    const { registry } = this.gateway.app.get(Metrics);
    const streams = await registry.getSingleMetric('llm_gateway_running_streams')?.get();
    return {
      unbilled: this.dispatched.filter(({ path, requestId }) => path === CHAT && !billed.has(requestId)),
      held: await counterDifferences(this.gateway),
      streams: streams?.values.map(({ value }) => value),
      next: (await this.gateway.post(CHAT, this.user.key, BODY)).status,
    };
  }
}

/** Nothing is held or unbilled, and the same gateway serves. */
export const NOTHING_LEFT = { unbilled: [], held: [], streams: [0], next: 200 };
