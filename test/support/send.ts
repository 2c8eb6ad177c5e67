export interface Sent {
  readonly method?: string;
  /** Sent as JSON; a string is sent as it is. */
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  readonly bearer?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed JSON; `{}` when the body is none. */
  readonly body: Record<string, unknown>;
}

/** One real HTTP request: a POST when there is a body, a GET otherwise. */
export async function send(url: string, sent: Sent = {}): Promise<Answer> {
  const response = await fetch(url, {
    method: sent.method ?? (sent.json === undefined && sent.form === undefined ? 'GET' : 'POST'),
    headers: {
      ...(sent.json === undefined ? {} : { 'content-type': 'application/json' }),
      ...(sent.bearer === undefined ? {} : { authorization: `Bearer ${sent.bearer}` }),
      ...sent.headers,
    },
    body: sent.form ? new URLSearchParams(sent.form) : textOf(sent.json),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: parsed(text) };
}

function textOf(json: unknown): string | undefined {
  return typeof json === 'string' || json === undefined ? json : JSON.stringify(json);
}

function parsed(text: string): Answer['body'] {
  try {
    return JSON.parse(text) as Answer['body'];
  } catch {
    return {} as Answer['body'];
  }
}
