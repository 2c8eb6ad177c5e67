/** What Anthropic's clients ask, also with a base URL that has a slash or a /v1 too many, or has none. */
const ANTHROPIC_PATHS = /^\/+(v1\/+)*messages(?=[/?]|$)/i;

/** @param url a path, with or without its query */
export const isAnthropicPath = (url: string): boolean => ANTHROPIC_PATHS.test(url);

/** The headers that name a request in its answer. Anthropic's SDKs read the second one, for `_request_id` and in errors. */
export const requestIdHeaders = (url: string, id: string): Readonly<Record<string, string>> =>
  isAnthropicPath(url) ? { 'x-request-id': id, 'request-id': id } : { 'x-request-id': id };
