import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { controlRoute } from './control-routes';
import { Engine } from './engine';
import { Journal, JournalEntry } from './journal';
import { route } from './routes';
import { SimulatedModels } from './simulated-models';
import { DEFAULT_MODEL, SimulatorOptions, SimulatorSettings, simulatorSettings } from './simulator-settings';

export type { SimulatorOptions } from './simulator-settings';

/** vLLM's front end takes headers far above Node's 16 kB. */
const MAX_HEADER_BYTES = 262_144;
const KEEP_ALIVE_MS = 5_000;

export interface Simulator {
  /** Without /v1 and without a slash at the end. */
  readonly baseUrl: string;
  readonly journal: Journal;
  /** May be changed at any time. */
  readonly settings: SimulatorSettings;
  /**
   * What SIGTERM does to vLLM: new connections are refused, idle ones closed, and requests in flight get no further
   * byte for as long as their clients wait.
   */
  terminate(): void;
  close(): Promise<void>;
}

/** A vLLM server without a model, on a real socket: the wire of vLLM 0.33 with invented text. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const journal = new Journal();
  const settings = simulatorSettings(options);
  const models = new SimulatedModels(options.models ?? [DEFAULT_MODEL]);
  const engine = new Engine(models, settings, journal);
  const keepAliveMs = options.keepAliveMs ?? KEEP_ALIVE_MS;
  const context = { engine, journal, models, settings, apiKey: options.apiKey };

  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, noDelay: true }, (request, response) => {
    // uvicorn sends neither Connection nor Keep-Alive.
    response.removeHeader('connection');
    // Node keeps an idle connection a second longer than told; uvicorn does not.
    response.on('finish', () => request.socket.setTimeout(keepAliveMs));
    void serve(request, response).catch((error: unknown) => fail(error, response));
  });
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (await controlRoute({ journal, settings }, request, response)) return;
    await route(context, request, response, (path, body) => journal.open(newEntry(request, path, body)));
  };
  server.keepAliveTimeout = keepAliveMs;
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve);
  });
  const { port, address } = server.address() as AddressInfo;
  const host = address.includes(':') ? `[${address}]` : address;
  return {
    baseUrl: `http://${host}:${port}`,
    journal,
    settings,
    terminate: () => {
      settings.hung = true;
      server.close();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A fault of the simulator itself must not look like one of vLLM. */
function fail(error: unknown, response: ServerResponse): void {
  if (response.destroyed) return;
  console.error('The vLLM simulator failed:', error);
  response.destroy();
}

function newEntry(request: IncomingMessage, path: string, body: Buffer): JournalEntry {
  const header = request.headers['x-request-id'];
  return {
    requestId: typeof header === 'string' && header !== '' ? header : randomBytes(8).toString('hex'),
    method: request.method ?? '',
    target: request.url ?? '',
    path,
    headers: request.headers,
    body: jsonOrNull(body),
    model: '',
    stream: false,
    sequences: 0,
    promptTokens: 0,
    cachedTokens: 0,
    completionTokens: 0,
    reasoningTokens: 0,
    startedAt: Date.now(),
    cancelledAt: null,
    finishedAt: null,
    outcome: 'running',
    status: null,
  };
}

function jsonOrNull(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    return null;
  }
}
