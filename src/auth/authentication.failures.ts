import { ApiException } from '../common/api.exception';

// Clients decide by words too: a refusal that is final must not sound like one that passes (no status numbers in
// the text, nothing of waiting or trying again).

const KEY_HELP = 'Send an API key as "Authorization: Bearer llmk_..." or in the x-api-key header.';
const SESSION_HELP = 'Log in with POST /auth/token and send "Authorization: Bearer <access_token>".';

/** RFC 6750: a request without a credential is told how to send one, a wrong credential is called invalid. */
function unauthenticated(code: string, message: string, challenge: 'missing' | 'invalid'): ApiException {
  const header =
    challenge === 'missing' ? 'Bearer realm="llm-user-management-api"' : 'Bearer error="invalid_token"';
  // Claude Code would try eleven times.
  const headers = { 'www-authenticate': header, 'x-should-retry': 'false' };
  return new ApiException({ status: 401, code, message, headers });
}

export function apiKeyMissing(): ApiException {
  return unauthenticated('missing_api_key', `No API key was sent. ${KEY_HELP}`, 'missing');
}

export function apiKeyInvalid(): ApiException {
  return unauthenticated(
    'invalid_api_key',
    'This API key is not valid: it is mistyped, revoked or expired, or its account is disabled.',
    'invalid',
  );
}

/** A session's token where an API key belongs. */
export function takesApiKey(): ApiException {
  return unauthenticated(
    'invalid_api_key',
    `This route takes an API key, not a session's access token. ${KEY_HELP} POST /users/me/api-keys makes one.`,
    'invalid',
  );
}

export function sessionTokenMissing(): ApiException {
  return unauthenticated('missing_token', `No access token was sent. ${SESSION_HELP}`, 'missing');
}

/** Where either of the two would do. */
export function credentialMissing(): ApiException {
  return unauthenticated(
    'missing_token',
    `No access token or API key was sent. ${SESSION_HELP} ${KEY_HELP}`,
    'missing',
  );
}

export function sessionTokenInvalid(): ApiException {
  return unauthenticated(
    'invalid_token',
    `This access token is not valid, or its session has ended. ${SESSION_HELP}`,
    'invalid',
  );
}

export function sessionTokenExpired(): ApiException {
  return unauthenticated(
    'invalid_token',
    'This access token has expired. Get a new one with POST /auth/refresh or POST /auth/token.',
    'invalid',
  );
}

/** A valid API key at POST /chat/completions: what OpenAI's clients ask with a base URL that lacks its end. */
export function takesSessionForChats(): ApiException {
  return new ApiException({
    status: 403,
    code: 'session_required',
    message:
      'With an API key chats are at POST /v1/chat/completions: give your client the base URL that ends in /v1. ' +
      "This route takes a session's access token.",
  });
}

/** A valid API key where a session belongs. */
export function takesSession(): ApiException {
  return new ApiException({
    status: 403,
    code: 'session_required',
    message: `An API key cannot manage an account. ${SESSION_HELP}`,
  });
}
