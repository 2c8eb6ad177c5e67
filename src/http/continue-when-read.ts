import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Lets a client that asked for it (`Expect: 100-continue`) send its body once somebody wants to read it: after its credential
 * has been looked at. What is refused before that has not been uploaded for nothing; nobody knows whether its body still
 * comes, so the answer ends the connection (RFC 9110, 10.1.1).
 */
export function continueWhenRead(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('connection', 'close');
  const goOn = (event: string): void => {
    if (event !== 'data' && event !== 'readable') return;
    request.off('newListener', goOn);
    if (response.headersSent) return;
    response.removeHeader('connection');
    // Who did not wait has sent all of it.
    if (!request.complete) response.writeContinue();
  };
  request.on('newListener', goOn);
}
