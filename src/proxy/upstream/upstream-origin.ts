/** The origin and base path of vLLM from VLLM_BASE_URL, which may or may not end in /v1. */
export function upstreamBase(baseUrl: string): { origin: string; basePath: string } {
  const url = new URL(baseUrl);
  const basePath = url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
  return { origin: url.origin, basePath };
}
