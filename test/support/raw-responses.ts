export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Without its framing, one character a byte. */
  readonly body: string;
}

/** Reads the whole responses out of what came over a connection, by their framing alone; a cut one is left out. */
export function responsesIn(text: string, closed = false): RawResponse[] {
  const responses: RawResponse[] = [];
  let rest = text;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end === -1) return responses;
    const [line = '', ...fields] = rest.slice(0, end).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1]);
    if (!status) throw new Error(`not the head of a response: ${rest.slice(0, 200)}`);
    const headers = Object.fromEntries(
      fields.map((field) => [
        field.slice(0, field.indexOf(':')).toLowerCase(),
        field.replace(/^[^:]*:\s*/, ''),
      ]),
    );
    const framed = bodyOf(rest.slice(end + 4), status, headers, closed);
    if (framed === null) return responses;
    responses.push({ status, headers, body: framed.body });
    rest = framed.rest;
  }
}

function bodyOf(
  text: string,
  status: number,
  headers: Readonly<Record<string, string>>,
  closed: boolean,
): { body: string; rest: string } | null {
  if (status < 200) return { body: '', rest: text };
  if (headers['transfer-encoding'] === 'chunked') return unchunked(text);
  const length = headers['content-length'];
  if (length === undefined) return closed ? { body: text, rest: '' } : null;
  return text.length < Number(length)
    ? null
    : { body: text.slice(0, Number(length)), rest: text.slice(Number(length)) };
}

function unchunked(text: string): { body: string; rest: string } | null {
  let body = '';
  let at = 0;
  for (;;) {
    const line = /^([0-9a-f]+)\r\n/.exec(text.slice(at, at + 20));
    if (!line) {
      if (text.length - at < 20) return null;
      throw new Error(`not a chunk: ${text.slice(at, at + 50)}`);
    }
    const size = Number.parseInt(line[1] as string, 16);
    const start = at + line[0].length;
    if (text.length < start + size + 2) return null;
    if (text.slice(start + size, start + size + 2) !== '\r\n')
      throw new Error(`a chunk of a wrong size at ${at}`);
    body += text.slice(start, start + size);
    at = start + size + 2;
    if (size === 0) return { body, rest: text.slice(at) };
  }
}
