'use strict';
const { routeOf } = require('./routes');

/** One HTTP/1.1 request as bytes. `command` is read by the upstream of the benchmark. */
function requestBytes({ port, key, path, model, headers, stream, command }) {
  const body = JSON.stringify({
    model: model ?? 'bench-model',
    ...routeOf(path).body(command),
    ...(stream ? { stream: true } : {}),
  });
  return Buffer.from(
    [
      `POST ${path ?? '/v1/chat/completions'} HTTP/1.1`,
      `host: 127.0.0.1:${port}`,
      `authorization: Bearer ${key}`,
      'content-type: application/json',
      'user-agent: bench/1',
      'accept: application/json',
      ...Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`),
      `content-length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n'),
  );
}

module.exports = { requestBytes };
