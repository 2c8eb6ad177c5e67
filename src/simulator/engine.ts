import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError } from './api-error';
import { Connection } from './connection';
import { ENGINE_BUSY } from './failures';
import { Generation } from './generation';
import type { Endpoint } from './generation-request';
import { readGeneration } from './generation-request';
import { sendJson } from './http-answers';
import type { Journal, JournalEntry } from './journal';
import { jsonAnswer } from './json-answer';
import { poolingAnswer } from './pooling-answer';
import { PoolingEndpoint, readPooling } from './pooling-request';
import { PrefixCache } from './prefix-cache';
import { answeredByScript } from './scripted-faults';
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
    const connection = new Connection(response, this.settings, () => leave(entry));
    if (await answeredByScript(read.script, connection, entry)) return;
    const end = read.stream
      ? await streamAnswer(generation, connection)
      : await jsonAnswer(generation, connection);
    if (entry.outcome !== 'running') return;
    entry.status = 200;
    entry.finishedAt = Date.now();
    entry.outcome = end === 'completed' ? 'completed' : end === 'rejected' ? 'rejected' : 'fault';
  }

  /** Embeddings and scores: the prompts are read, nothing is generated, and the answer comes whole. */
  async pool(
    endpoint: PoolingEndpoint,
    body: Readonly<Record<string, unknown>>,
    request: IncomingMessage,
    response: ServerResponse,
    entry: JournalEntry,
  ): Promise<void> {
    const read = readPooling(endpoint, body, this.models, this.settings);
    const { script } = read;
    entry.model = read.model.id;
    entry.promptTokens = read.promptTokens;
    const { 'x-request-id': header } = request.headers;
    const answer = poolingAnswer(read, typeof header === 'string' ? header : randomBytes(8).toString('hex'));
    const connection = new Connection(response, this.settings, () => leave(entry));
    if (await answeredByScript(script, connection, entry)) return;
    await connection.pause(script.ttftMs ?? this.settings.timeToFirstTokenMs);
    if (entry.outcome !== 'running') return;
    if (script.dieAfterChunks !== undefined) {
      entry.outcome = 'fault';
      return connection.reset();
    }
    entry.status = 200;
    sendJson(response, 200, answer);
  }
}

function leave(entry: JournalEntry): void {
  if (entry.outcome !== 'running') return;
  entry.outcome = 'cancelled';
  entry.cancelledAt = Date.now();
}
