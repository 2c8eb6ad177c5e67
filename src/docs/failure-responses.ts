import type { ResponsesObject, SchemaObject } from '@nestjs/swagger';
import { toAnthropicError } from '../anthropic-compat/anthropic-error';
import type { DocumentedFailure } from '../common/api-problem.decorator';
import { Failure, toProblem } from '../common/problem';
import { notUuidMessage } from '../common/uuid-param.decorator';
import { notTaken } from '../common/validation';
import { oauthCode } from '../openai-compat/failure-answer';
import { toOpenAiError } from '../openai-compat/openai-error';
import type { DocumentedRoute } from './route-table';

const ANTHROPIC_PATHS = /^\/v1\/messages(\/|$)/;
const OPENAI_PATHS = /^\/(v1|chat)\//;
const OAUTH_PATHS = /^\/auth\/(token|refresh)$/;

/** The forms of an error, as the gateway's exception filter writes them. */
export const ENVELOPES: Record<'Problem' | 'OpenAiError' | 'AnthropicError' | 'OAuthError', SchemaObject> = {
  Problem: {
    type: 'object',
    description: 'RFC 9457 problem details: every failure outside /v1 and /chat',
    required: ['type', 'title', 'status', 'detail', 'code'],
    properties: {
      type: { type: 'string', format: 'uri', description: 'Explains the code on this page' },
      title: { type: 'string' },
      status: { type: 'integer' },
      detail: { type: 'string', description: 'What is wrong and what to do' },
      code: { type: 'string', description: 'Stable: for programs' },
      param: { type: 'string', description: 'The field at fault' },
      errors: {
        type: 'array',
        items: { type: 'object', properties: { field: { type: 'string' }, message: { type: 'string' } } },
      },
    },
  },
  OpenAiError: {
    type: 'object',
    description: "OpenAI's envelope: every failure on /v1 and /chat",
    required: ['error'],
    properties: {
      error: {
        type: 'object',
        required: ['message', 'type', 'param', 'code'],
        properties: {
          message: { type: 'string' },
          type: { type: 'string' },
          param: { type: 'string', nullable: true },
          // A number where it is vLLM that refuses.
          code: { oneOf: [{ type: 'string', nullable: true }, { type: 'integer' }] },
        },
      },
    },
  },
  AnthropicError: {
    type: 'object',
    description: "Anthropic's envelope: every failure under /v1/messages",
    required: ['type', 'error'],
    properties: {
      type: { type: 'string', enum: ['error'] },
      error: {
        type: 'object',
        required: ['type', 'message'],
        properties: { type: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
  OAuthError: {
    type: 'object',
    description: 'RFC 6749 section 5.2: failures of the two token routes',
    required: ['error', 'error_description'],
    properties: { error: { type: 'string' }, error_description: { type: 'string' } },
  },
};

const SESSION_FAILURES: DocumentedFailure[] = [
  { status: 401, code: 'missing_token', message: 'No access token was sent. Log in with POST /auth/token.' },
  {
    status: 401,
    code: 'invalid_token',
    message: 'This access token is not valid, or its session has ended.',
  },
  { status: 403, code: 'session_required', message: 'An API key cannot manage an account.' },
];
const KEY_FAILURES: DocumentedFailure[] = [
  { status: 401, code: 'missing_api_key', message: 'No API key was sent.' },
  {
    status: 401,
    code: 'invalid_api_key',
    message: 'This API key is not valid: mistyped, revoked or expired.',
  },
];
const ROLE_FAILURE: DocumentedFailure = {
  status: 403,
  code: 'forbidden',
  message: 'This needs the role admin.',
};
const EITHER_FAILURES: DocumentedFailure[] = [
  { status: 401, code: 'missing_token', message: 'No access token or API key was sent.' },
  ...SESSION_FAILURES.filter(({ code }) => code === 'invalid_token'),
  ...KEY_FAILURES.filter(({ code }) => code === 'invalid_api_key'),
];
const CREDENTIAL_FAILURE: DocumentedFailure = {
  status: 400,
  code: 'ambiguous_credentials',
  message: 'The headers name more than one credential; send one of them.',
};
const BODY_FAILURES: DocumentedFailure[] = [
  { status: 400, code: 'invalid_request', message: 'A field of the body is missing, wrong or unknown.' },
  {
    status: 415,
    code: 'unsupported_media_type',
    message: 'Send the request as JSON with the header `content-type: application/json`.',
  },
  { status: 413, code: 'body_too_large', message: 'The body is larger than this route takes.' },
];
const PARAMETER_FAILURE: DocumentedFailure = {
  status: 400,
  code: 'invalid_request',
  message: notTaken('foo'),
};
const CHANGES_FAILURE: DocumentedFailure = {
  status: 429,
  code: 'rate_limit_exceeded',
  message: 'This account has changed too much in a short time; wait as long as the Retry-After header says.',
};
const DATABASE_FAILURE: DocumentedFailure = {
  status: 503,
  code: 'database_unavailable',
  message: 'The database cannot be reached at the moment; repeat the request shortly.',
};

interface RouteTraits {
  readonly hasBody: boolean;
  readonly refusesParameters: boolean;
  readonly touchesDatabase: boolean;
  readonly changes: boolean;
  /** The parts of its path that are ids. */
  readonly uuids: readonly string[];
}

/** What a route may answer besides its success: what it says itself, and what its credential and body bring along. */
export function failuresOf(
  { access, roles, failures }: DocumentedRoute,
  { hasBody, refusesParameters, touchesDatabase, changes, uuids }: RouteTraits,
): DocumentedFailure[] {
  const usual = [
    ...(access === 'session' ? SESSION_FAILURES : []),
    ...(access === 'api_key' ? KEY_FAILURES : []),
    ...(access === 'session_or_api_key' ? EITHER_FAILURES : []),
    ...(access === 'public' ? [] : [CREDENTIAL_FAILURE]),
    ...(roles.length > 0 ? [ROLE_FAILURE] : []),
    ...(hasBody ? BODY_FAILURES : []),
    ...(refusesParameters && !hasBody ? [PARAMETER_FAILURE] : []),
    ...(changes && access === 'session' ? [CHANGES_FAILURE] : []),
    ...(touchesDatabase ? [DATABASE_FAILURE] : []),
  ];
  const own = new Set(failures.map(({ status, code }) => `${status} ${code}`));
  return [
    ...failures,
    ...uuids.map((name) => ({ status: 400, code: 'invalid_request', message: notUuidMessage(name) })),
    ...usual.filter(({ status, code }) => !own.has(`${status} ${code}`)),
  ];
}

/** Failures by status, each with an example in the envelope of the path. */
export function failureResponses(
  path: string,
  documented: readonly DocumentedFailure[],
  publicUrl: string,
): ResponsesObject {
  const responses: ResponsesObject = {};
  const [type, schema] = envelopeOf(path);
  const failures =
    schema === 'OAuthError' ? documented.map((one) => ({ ...one, code: oauthCode(one) })) : documented;
  for (const status of [...new Set(failures.map((failure) => failure.status))].sort()) {
    const sameStatus = failures.filter((failure) => failure.status === status);
    responses[String(status)] = {
      description: sameStatus.map(({ code, message }) => `\`${code}\`: ${message}`).join('\n\n'),
      content: {
        [type]: {
          schema: { $ref: `#/components/schemas/${schema}` },
          examples: examplesOf(sameStatus, (failure) => bodyOf(path, failure, publicUrl)),
        },
      },
    };
  }
  return responses;
}

/** By their codes; one that stands for several faults is numbered. */
function examplesOf(
  failures: readonly DocumentedFailure[],
  valueOf: (failure: DocumentedFailure) => unknown,
) {
  const examples: Record<string, { value: unknown }> = {};
  for (const failure of failures) {
    let name = failure.code;
    for (let n = 2; name in examples; n += 1) name = `${failure.code}_${n}`;
    examples[name] = { value: valueOf(failure) };
  }
  return examples;
}

function envelopeOf(path: string): [mediaType: string, schema: keyof typeof ENVELOPES] {
  if (ANTHROPIC_PATHS.test(path)) return ['application/json', 'AnthropicError'];
  if (OPENAI_PATHS.test(path)) return ['application/json', 'OpenAiError'];
  if (OAUTH_PATHS.test(path)) return ['application/json', 'OAuthError'];
  return ['application/problem+json', 'Problem'];
}

function bodyOf(path: string, { status, code, message }: DocumentedFailure, publicUrl: string): unknown {
  const type = code === 'insufficient_quota' ? code : null;
  const failure: Failure = { status, code, message, param: null, type, headers: {} };
  const [, schema] = envelopeOf(path);
  if (schema === 'AnthropicError') return toAnthropicError(failure);
  if (schema === 'OpenAiError') return toOpenAiError(failure);
  if (schema === 'OAuthError') return { error: code, error_description: message };
  return toProblem(failure, publicUrl);
}
