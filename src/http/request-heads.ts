import { ApiException } from '../common/api.exception';

/**
 * Browsers, SDKs and the balancers before us send 40 together at most. Node itself leaves out what is beyond its own
 * number (1,000), and what it leaves out may be the credential.
 */
const MOST_HEADERS = 100;

/** @param rawHeaders names and values in turn, as Node has them */
export const holdsTooManyHeaders = (rawHeaders: readonly string[]): boolean =>
  rawHeaders.length > 2 * MOST_HEADERS;

export const tooManyHeaders = (): ApiException =>
  new ApiException({
    status: 431,
    code: 'headers_too_large',
    message: `The request has more than the ${MOST_HEADERS} headers this gateway accepts.`,
  });

/** Whether it names its host as RFC 9112, 3.2 has it: once; not at all only in HTTP/1.0. */
export function namesOneHost(rawHeaders: readonly string[], httpVersion: string): boolean {
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    if (name.length === HOST.length && name.toLowerCase() === HOST) hosts += 1;
  }
  return hosts === 1 || (hosts === 0 && httpVersion !== '1.1');
}

const HOST = 'host';
