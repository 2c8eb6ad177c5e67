import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from './api-error';
import { Connection } from './connection';
import { ENGINE_BUSY, scriptedFailure } from './failures';
import { Generation } from './generation';
import type { Endpoint } from './generation-request';
import { readGeneration } from './generation-request';
import { sendError, sendRedirect, sendText } from './http-answers';
import type { Journal, JournalEntry } from './journal';
import { jsonAnswer } from './json-answer';
import { PrefixCache } from './prefix-cache';
import type { Script } from './script';
import type { SimulatedModels } from './simulated-models';
import type { SimulatorSettings } from './simulator-settings';
import { streamAnswer } from './stream-answer';

/** Answers generation requests and keeps the journal true about them. */
export class Engine {
  private readonly cache = new PrefixCache();

  constructor(
    private readonly models: SimulatedModels,
    private readonly settings: SimulatorSettings,
    private readonly journal: Journal,
  ) {}

  async generate(
    endpoint: Endpoint,
    body: Readonly<Record<string, unknown>>,
    request: IncomingMessage,
    response: ServerResponse,
    entry: JournalEntry,
  ): Promise<void> {
    const read = readGeneration(endpoint, body, (name) => this.models.find(name), this.settings);
    const { maxUnfinished } = this.settings;
    const sequences = read.n * read.prompts.length;
    if (maxUnfinished !== null && this.journal.unfinished + sequences > maxUnfinished) throw ENGINE_BUSY;
    entry.sequences = sequences;
    const { 'x-request-id': header, 'x-data-parallel-rank': rank } = request.headers;
    if (Number(rank) > 0)
      throw ApiError.badRequest(null, `data_parallel_rank ${String(rank)} is out of range [0, 1).`);
    const generation = new Generation(
      read,
      this.settings,
      entry,
      this.cache,
      typeof header === 'string' ? header : undefined,
    );
    const connection = new Connection(response, this.settings, () => {
      if (entry.outcome !== 'running') return;
      entry.outcome = 'cancelled';
      entry.cancelledAt = Date.now();
    });
    if (await answeredByScript(read.script, connection, entry)) return;
    const end = read.stream
      ? await streamAnswer(generation, connection)
      : await jsonAnswer(generation, connection);
    if (entry.outcome !== 'running') return;
    entry.status = 200;
    entry.finishedAt = Date.now();
    entry.outcome = end === 'completed' ? 'completed' : end === 'rejected' ? 'rejected' : 'fault';
  }
}

/** Faults that come instead of an answer. They generate nothing. */
async function answeredByScript(
  script: Script,
  connection: Connection,
  entry: JournalEntry,
): Promise<boolean> {
  const { response } = connection;
  if (script.refuse) {
    entry.outcome = 'fault';
    connection.reset();
    return true;
  }
  if (script.neverAnswer) {
    await connection.forever();
    return true;
  }
  if (script.redirectTo !== undefined) {
    entry.outcome = 'fault';
    sendRedirect(response, script.redirectTo);
    return true;
  }
  if (script.status === undefined) return false;
  entry.outcome = 'fault';
  entry.status = script.status;
  if (script.retryAfter !== undefined) response.setHeader('retry-after', String(script.retryAfter));
  if (script.body !== undefined) sendText(response, script.status, script.body);
  else sendError(response, scriptedFailure(script.status));
  return true;
}
