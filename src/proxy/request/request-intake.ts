import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { ApiException } from '../../common/api.exception';
import type { Principal } from '../../common/principal';
import { requestContext } from '../../common/request-context';
import { Env } from '../../config/env';
import type { Asked, Dialect } from '../dialect';
import { EndpointName, isPooled, Metered } from '../endpoints';
import { ModelCatalogue } from '../upstream/model-catalogue';
import { BodyMemory } from './body-memory';
import { CacheSalts } from './cache-salts';
import { invalidField } from './field-checks';
import { ruleFor } from './field-policy';
import { GrammarLimit } from './grammar-limit';
import { grammarOf, refuseCostlyTools } from './grammars';
import { duplicateKey, standsTwice } from '../../common/json-duplicates';
import { JsonMember, JsonTooDeepError, topLevelMembers } from '../../common/json-members';
import { MAX_DEPTH, MAX_FIELDS, refuseHeavyJson, tooDeep, tooManyFields } from './json-weight';
import type { MeteredCall } from './metered-call';
import { PooledCall } from './pooled-call';
import { PooledOverheads } from './pooled-overheads';
import { checkPooled, POOLED_CONTENT } from './pooled-policy';
import { CheckedBody, offersTools, ProxiedCall } from './proxied-call';
import { bodyTimedOut, noRoom, readJsonBytes } from './request-body';
import { TemplateOverheads } from './template-overheads';

/**
 * What has not been read so long after its arrival is refused, in milliseconds. A ledger row is found by its id, which says
 * when the request arrived, up to an hour before its admission; a body may take 45 minutes, but its time does not
 * run while an answer before it on the same connection goes on.
 */
const READ_WITHIN_MS = 50 * 60_000;

/** Reads a request body and makes it safe: whatever is wrong with it is said before anything is reserved. */
@Injectable()
export class RequestIntake {
  private readonly memory: BodyMemory;

  constructor(
    private readonly catalogue: ModelCatalogue,
    private readonly salts: CacheSalts,
    private readonly templates: TemplateOverheads,
    private readonly pooled: PooledOverheads,
    private readonly grammars: GrammarLimit,
    private readonly env: Env,
  ) {
    this.memory = new BodyMemory(env.MAX_BODY_BYTES);
  }

  /**
   * Its body counts as held until `release`.
   * @throws ApiException 400, 404, 408, 413, 415, 429 or 503
   */
  async read(
    request: IncomingMessage,
    { endpoint, dialect }: Metered,
    principal: Principal,
  ): Promise<MeteredCall> {
    // Body, model and template are at hand as a rule, and a promise costs more than any of them: hence `isPromise`.
    const read = readJsonBytes(request, this.env.MAX_BODY_BYTES, this.memory);
    const bytes = isPromise(read) ? await read : read;
    if (performance.now() - requestContext(request).arrivedAt > READ_WITHIN_MS) throw bodyTimedOut();
    const weigh = (weight: number) => {
      if (!this.memory.weigh(request, weight)) throw noRoom();
    };
    const asked = dialect ? askedIn(dialect, bytes, weigh) : null;
    const body = checkBody(asked ? bytesOf(asked) : bytes, endpoint, weigh);
    const name = body.fields.model;
    const found = this.catalogue.resolve(
      typeof name === 'string' ? name : await this.onlyModel(endpoint, principal),
      principal,
    );
    const model = isPromise(found) ? await found : found;
    const salt = this.salts.of(principal.userId);
    if (isPooled(body.endpoint))
      return new PooledCall(body, model, salt, this.pooled.of(body.endpoint, model.servedName));
    this.grammars.count(principal.userId, grammarOf(body));
    const tokens = body.endpoint === 'chat_completions' ? this.templates.of(model, offersTools(body)) : 0;
    const templateTokens = isPromise(tokens) ? await tokens : tokens;
    const answers = asked?.answers ?? null;
    return new ProxiedCall(body, model, salt, this.env.DEFAULT_MAX_TOKENS, templateTokens, answers);
  }

  /** What has been read of the request is decided about: others may have its room. */
  release(request: IncomingMessage): void {
    this.memory.release(request);
  }

  /** Older clients of POST /chat/completions name no model: they mean the one there is. */
  private async onlyModel(endpoint: EndpointName | null, principal: Principal): Promise<string> {
    const first = endpoint === null ? await this.catalogue.first(principal) : undefined;
    if (!first)
      throw invalidField('model', 'model is missing; GET /v1/models lists the names to choose from.');
    return first.id;
  }
}

const isPromise = <T>(value: T | Promise<T>): value is Promise<T> => value instanceof Promise;

type Weigh = (weight: number) => void;

/**
 * Parses and checks a body against the field policy.
 * @param endpoint null: POST /chat/completions, where a body with `prompt` and no `messages` is a completion
 * @param weigh is told what it will weigh once it is parsed, and may refuse it
 */
export function checkBody(
  bytes: Buffer,
  endpoint: EndpointName | null,
  weigh: Weigh = () => undefined,
): CheckedBody {
  const { fields, members } = parseBody(bytes, weigh);
  const isCompletion = endpoint === null && 'prompt' in fields && (fields.messages ?? null) === null;
  const actual = isCompletion ? 'completions' : (endpoint ?? 'chat_completions');
  const missing = contentOf(actual).find((name) => !(name in fields));
  if (missing !== undefined) throw invalidField(missing, `${missing} is missing.`);
  const dropped: string[] = [];
  for (const { key } of members) {
    const rule = ruleFor(key, actual);
    const value = fields[key];
    if (rule.action === 'refuse' && value !== null && value !== false)
      throw invalidField(key, `${key} ${rule.because}`);
    // null is absent here, and to vLLM not for every field.
    if (rule.action !== 'own' && (rule.action !== 'forward' || value === null)) dropped.push(key);
    const problem = rule.check?.(value) ?? null;
    if (problem !== null) throw invalidField(key, `${key} ${problem}.`.replace(' .', '.'));
  }
  if (isPooled(actual)) checkPooled(actual, fields);
  else checkTogether(fields, actual);
  if (actual === 'chat_completions') refuseCostlyTools(fields);
  return { endpoint: actual, bytes, members, fields, dropped };
}

function contentOf(endpoint: EndpointName): readonly string[] {
  if (isPooled(endpoint)) return POOLED_CONTENT[endpoint];
  return endpoint === 'completions' ? ['prompt'] : ['messages'];
}

function parseBody(bytes: Buffer, weigh: Weigh): Pick<CheckedBody, 'fields' | 'members'> {
  weigh(refuseHeavyJson(bytes));
  const fields = parseObject(bytes);
  const members = findMembers(bytes);
  const duplicate = duplicateKey(bytes, members, fields);
  if (duplicate !== null) throw invalidField(duplicate.path, standsTwice(duplicate));
  return { fields, members };
}

const askedIn = (dialect: Dialect, bytes: Buffer, weigh: Weigh): Asked =>
  dialect.read(parseBody(bytes, weigh).fields);

const bytesOf = ({ chat }: Asked): Buffer => Buffer.from(JSON.stringify(chat));

/** Rules over more than one field, as vLLM has them: said here, nothing need be dispatched to learn them. */
function checkTogether(fields: Readonly<Record<string, unknown>>, endpoint: EndpointName): void {
  const streams = fields.stream === true;
  const options = fields.stream_options;
  if (typeof options === 'object' && options !== null && Object.keys(options).length > 0 && !streams) {
    throw invalidField('stream_options', 'stream_options is only allowed with "stream": true.');
  }
  if (streams && typeof fields.prompt_logprobs === 'number' && fields.prompt_logprobs > 0) {
    throw invalidField('prompt_logprobs', 'prompt_logprobs is not available with "stream": true.');
  }
  if (endpoint === 'chat_completions' && namesOneTool(fields) && !isEach(fields.tools, hasFunctionName)) {
    throw invalidField('tools', 'tools must each have a function with a name, as tool_choice names one.');
  }
  const onlyEchoes = endpoint === 'completions' && fields.echo === true;
  if (fields.max_tokens === 0 && !onlyEchoes) {
    throw invalidField('max_tokens', 'max_tokens must be at least 1.');
  }
}

const namesOneTool = ({ tool_choice: choice }: Readonly<Record<string, unknown>>): boolean =>
  typeof choice === 'object' && choice !== null;

const isEach = (list: unknown, is: (item: unknown) => boolean): boolean =>
  !Array.isArray(list) || list.every(is);

/** vLLM looks for the named one before it has checked them, and fails on one that has no name. */
function hasFunctionName(tool: unknown): boolean {
  const { function: described } = tool as { function?: { name?: unknown } | null };
  return typeof described?.name === 'string';
}

function parseObject(bytes: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    if (!isUtf8(bytes)) throw new Error('not UTF-8');
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new ApiException({
      status: 400,
      code: 'invalid_json',
      message: 'The body is not valid JSON in UTF-8. Send one JSON object.',
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiException({ status: 400, code: 'invalid_json', message: 'The body must be a JSON object.' });
  }
  return value as Record<string, unknown>;
}

function findMembers(bytes: Buffer): JsonMember[] {
  try {
    const members = topLevelMembers(bytes, MAX_DEPTH);
    if (members.length <= MAX_FIELDS) return members;
    throw tooManyFields();
  } catch (error) {
    throw error instanceof JsonTooDeepError ? tooDeep() : error;
  }
}
