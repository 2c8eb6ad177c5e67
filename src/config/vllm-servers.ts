import { isURL } from 'class-validator';

/** One vLLM server, as VLLM_BASE_URL and VLLM_API_KEY tell of it. */
export interface VllmServer {
  readonly origin: string;
  /** What stands in front of /v1: nothing, as a rule. */
  readonly basePath: string;
  readonly apiKey: string | null;
}

const MOST_SERVERS = 32;

/** What paths are put behind: anything after its own path would end up in the middle. */
export const BASE_URL_RULES = {
  require_tld: false,
  // Names of containers, and names that no search list is to be tried for.
  allow_underscores: true,
  allow_trailing_dot: true,
  require_protocol: true,
  protocols: ['http', 'https'],
  allow_query_components: false,
  allow_fragments: false,
  disallow_auth: true,
};

const itemsOf = (list: string): string[] => list.split(',').map((item) => item.trim());

/** @param baseUrls checked by `baseUrlsProblem`; @param apiKeys by `apiKeysProblem` */
export function vllmServers(baseUrls: string, apiKeys: string | undefined): VllmServer[] {
  const urls = itemsOf(baseUrls);
  const keys = keysFor(urls.length, apiKeys);
  return urls.map((url, index) => ({ ...placeOf(url), apiKey: keys[index] || null }));
}

/** What is wrong with a list of base URLs, as the end of a sentence; null: nothing. */
export function baseUrlsProblem(text: string): string | null {
  const urls = itemsOf(text);
  if (!urls.every((url) => isURL(url, BASE_URL_RULES)))
    return 'must be a URL such as http://host:8000, without user, ? and #, or several with commas in between';
  if (urls.length > MOST_SERVERS) return `must name ${MOST_SERVERS} servers at most`;
  const places = urls.map((url) => Object.values(placeOf(url)).join(''));
  return new Set(places).size < places.length ? 'must name each server once' : null;
}

/** The same of keys. With one server a comma is part of its key. */
export function apiKeysProblem(text: string, baseUrls: string): string | null {
  const servers = itemsOf(baseUrls).length;
  const keys = itemsOf(text).length;
  return servers === 1 || keys === 1 || keys === servers
    ? null
    : `must be one key for all ${servers} servers of VLLM_BASE_URL, or ${servers} with commas in between (nothing between two: none)`;
}

function keysFor(servers: number, text: string | undefined): string[] {
  if (text === undefined) return [];
  const keys = servers === 1 ? [text] : itemsOf(text);
  return keys.length === 1 ? Array.from({ length: servers }, () => keys[0] as string) : keys;
}

/** The URL may or may not end in /v1. */
function placeOf(baseUrl: string): Pick<VllmServer, 'origin' | 'basePath'> {
  const url = new URL(baseUrl);
  const basePath = url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
  return { origin: url.origin, basePath };
}
