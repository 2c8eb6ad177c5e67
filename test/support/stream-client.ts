import { request } from 'node:http';

export interface StreamedAnswer {
  readonly requestId: string;
  readonly status: number;
  /** Everything read before the end or the hang-up. */
  readonly text: string;
  readonly hungUp: boolean;
}

export interface StreamCall {
  readonly url: string;
  readonly path: string;
  readonly credential: string;
  readonly body: unknown;
  /** Hang up once this many bytes have arrived; 0: as soon as the request is sent. */
  readonly hangUpAfterBytes?: number;
  /** Hang up so long after it was sent, in milliseconds. */
  readonly hangUpAfterMs?: number;
  /** Hang up once this holds. */
  readonly hangUpOnce?: () => boolean;
}

const LOOK_EVERY_MS = 5;

/** After a pause of this process timers come first; a server in it shall see that there was a request. */
async function readFirst(): Promise<void> {
  for (let turns = 0; turns < 3; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A client that can leave in the middle, at a point the test chooses. */
export function call(options: StreamCall): Promise<StreamedAnswer> {
  const payload = Buffer.from(JSON.stringify(options.body));
  return new Promise((resolve) => {
    let text = '';
    let requestId = '';
    let status = 0;
    const outgoing = request(new URL(options.path, options.url), {
      method: 'POST',
      agent: false,
      headers: {
        authorization: `Bearer ${options.credential}`,
        'content-type': 'application/json',
        'content-length': payload.length,
      },
    });
    const hangUp = () => {
      outgoing.destroy();
      resolve({ requestId, status, text, hungUp: true });
    };
    outgoing.on('response', (response) => {
      requestId = String(response.headers['x-request-id']);
      status = response.statusCode ?? 0;
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
        if (options.hangUpAfterBytes !== undefined && text.length >= options.hangUpAfterBytes) hangUp();
      });
      response.on('end', () => resolve({ requestId, status, text, hungUp: false }));
      response.on('error', () => resolve({ requestId, status, text, hungUp: true }));
    });
    outgoing.on('error', () => resolve({ requestId, status, text, hungUp: true }));
    outgoing.end(payload);
    const { hangUpAfterMs, hangUpOnce } = options;
    if (hangUpAfterMs !== undefined)
      outgoing.once('finish', () => setTimeout(() => void readFirst().then(hangUp), hangUpAfterMs));
    if (hangUpOnce === undefined) return;
    const looks = setInterval(() => {
      if (!hangUpOnce()) return;
      clearInterval(looks);
      void readFirst().then(hangUp);
    }, LOOK_EVERY_MS);
    outgoing.once('close', () => clearInterval(looks));
  });
}
