import { bookkeeping, Bookkeeping, dispatched } from './support/bookkeeping';
import { startGateway, TestGateway, TestUser } from './support/gateway';
import { untilNothingOpen } from './support/ledger';

interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

const MESSAGES = '"messages":[{"role":"user","content":"hi"}]';
const PROMPT = '"prompt":"hi"';

/** The generating routes: as what a body with this content is read there. */
const ROUTES = [
  ['/v1/chat/completions', MESSAGES],
  ['/v1/completions', PROMPT],
  ['/chat/completions', MESSAGES],
  ['/chat/completions', PROMPT],
] as const;

/** JSON values, written with blanks between them and none inside. */
const values = (list: string): string[] => list.trim().split(/\s+/);
const text = (length: number) => JSON.stringify('x'.repeat(length));
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

/** Members that no generating route takes: the field at fault, and the JSON of its member. */
const BAD_MEMBERS: readonly (readonly [param: string, member: string])[] = [
  ...values('{"include_usage":true} {"include_usage":false} {"made_up":1}').map(
    (options) => ['stream_options', `"stream_options":${options}`] as const,
  ),
  ...values('"x" "" 7 0 true false [] [{"include_usage":true}]').map(
    (options) => ['stream_options', `"stream":true,"stream_options":${options}`] as const,
  ),
  ...values('"true" 1 0 [] {}').flatMap((flag) =>
    ['include_usage', 'continuous_usage_stats'].map(
      (option) => ['stream_options', `"stream":true,"stream_options":{"${option}":${flag}}`] as const,
    ),
  ),
  ...values('"true" "false" "1" 1 0 [] {} 1e309').map((value) => ['stream', `"stream":${value}`] as const),
  ...values('0 -1 1.5 "2" 9 16384 1e9 1e309 9223372036854775808 true [1] {}').map(
    (value) => ['n', `"n":${value}`] as const,
  ),
  ...values(
    '0 -1 1.5 "10" 1e400 -1e400 1e309 9007199254740992 9223372036854775808 1e21 100000001 true false [] [16] {}',
  ).map((value) => ['max_tokens', `"max_tokens":${value}`] as const),
  ...values('-1 1.5 "0" 1e400 9223372036854775808 true').map(
    (value) => ['min_tokens', `"min_tokens":${value}`] as const,
  ),
  ...values('"warm" "0.5" 1e309 -1e309 true [] {}').flatMap((value) =>
    [
      'temperature',
      'top_p',
      'top_k',
      'min_p',
      'frequency_penalty',
      'presence_penalty',
      'repetition_penalty',
    ].map((field) => [field, `"${field}":${value}`] as const),
  ),
  ...values('1.5 "7" 1e309 18446744073709551616 true []').map(
    (value) => ['seed', `"seed":${value}`] as const,
  ),
  ...['5', '{}', '[1]', '[""]', '""', text(1_025), `[${Array(33).fill('"x"').join()}]`].map(
    (value) => ['stop', `"stop":${value}`] as const,
  ),
  ['model', '"model":"opencode-llm"'],
  ['max_tokens', '"max_tokens":5,"max_tokens":6'],
  ['max_tokens', '"max_tokens":5,"max_tok\\u0065ns":500000'],
  ['stream', '"stream":false,"stream":true'],
  ['n', '"n":1,"n":1'],
  ['chat_template', '"chat_template":"{{ x }}"'],
  ['best_of', '"best_of":4'],
  ['use_beam_search', '"use_beam_search":true'],
];

const BAD_MESSAGES = values(`
  null 5 "hi" true {} {"role":"user","content":"hi"} [] [null] ["hi"] [1] [[]] [{}] [{"content":"hi"}]
  [{"role":null,"content":"hi"}] [{"role":5,"content":"hi"}] [{"role":"","content":"hi"}]
  [{"role":"user","content":5}] [{"role":"user","content":true}] [{"role":"user","content":{"type":"text"}}]
  [{"role":"user","content":[5]}] [{"role":"user","content":[null]}] [{"role":"user","content":[[]]}]
  [{"role":"user","content":{"type":"image_url","image_url":{"url":"http://169.254.169.254/"}}}]
  [{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://169.254.169.254/"}}]}]`);

const BAD_PROMPTS = [
  ...values(
    'null 5 true {} [] [null] [{}] [1,"a"] ["a",1] [1.5] [-1] [[1],[-1]] [[]] [["a"]] [[1],"a"] [1e309]',
  ),
  `[${Array(257).fill('"x"').join()}]`,
];

describe('a request that is not right', () => {
  let gateway: TestGateway;
  let user: TestUser;
  let before: Bookkeeping;

  beforeAll(async () => {
    gateway = await startGateway();
    user = await gateway.register();
    await send('/v1/chat/completions', `{"model":"opencode-llm",${MESSAGES},"max_tokens":1}`);
    await untilNothingOpen(gateway);
    before = await bookkeeping(gateway);
    gateway.simulator.journal.clear();
  });
  afterAll(() => gateway.close());

  async function send(path: string, body: string | Buffer, headers: Record<string, string> = {}) {
    const answer = await fetch(gateway.url + path, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${path.startsWith('/v1') ? user.key : user.accessToken}`,
        'content-type': 'application/json',
        ...headers,
      },
      body,
    });
    return {
      status: answer.status,
      body: (await answer.json()) as ErrorBody,
      dispatched: dispatched(gateway),
      books: await bookkeeping(gateway),
    };
  }

  it('finds a gateway whose one good request was held, counted and billed', () => {
    expect(before).toMatchObject({ open: 0, records: 1 });
    expect(new Set(before.windows.map(({ used }) => Number(used) > 0))).toEqual(new Set([true]));
  });

  /** Whatever was wrong, it was found before anything was held, counted, asked of vLLM or billed. */
  const untouched = () => ({ dispatched: [], books: before });

  const refusal = (param: string | null, code = 'invalid_value', status = 400) => ({
    status,
    body: {
      error: {
        // A sentence, and where there is a field it is named.
        message: expect.stringMatching(param === null ? /^[A-Z].+\.$/ : new RegExp(`^${param}\\b.+\\.$`)),
        type: 'invalid_request_error',
        param,
        code,
      },
    },
    ...untouched(),
  });

  describe.each(ROUTES)('at %s with %s', (path, content) => {
    it.each(BAD_MEMBERS)('is refused for its %s: %s', async (param, member) => {
      expect(await send(path, `{"model":"opencode-llm",${content},${member}}`)).toEqual(refusal(param));
    });

    it.each(['5', 'true', '[]', '{}', '""', text(257), '["opencode-llm"]', '1e309'])(
      'is refused for the model %s',
      async (model) => {
        expect(await send(path, `{"model":${model},${content}}`)).toEqual(refusal('model'));
      },
    );

    it.each(['nope', '../x', 'http://169.254.169.254', '__proto__', 'opencode-llm\\u0000', '\\ud800'])(
      'names the model %s unknown',
      async (model) => {
        const answer = await send(path, `{"model":"${model}",${content}}`);
        expect(answer).toMatchObject({
          status: 404,
          body: { error: { code: 'model_not_found' } },
          ...untouched(),
        });
      },
    );
  });

  it.each(['0', '-1', '1.5', '"10"', '1e400', '9223372036854775808', 'true'])(
    'is refused for max_completion_tokens: %s',
    async (value) => {
      for (const path of ['/v1/chat/completions', '/chat/completions']) {
        const member = `"max_tokens":5,"max_completion_tokens":${value}`;
        const answer = await send(path, `{"model":"opencode-llm",${MESSAGES},${member}}`);
        expect(answer).toEqual(refusal('max_completion_tokens'));
      }
    },
  );

  it('is refused for a chat of no tokens, even one that says echo', async () => {
    const body = `{"model":"opencode-llm",${MESSAGES},"max_tokens":0,"echo":true}`;
    expect(await send('/v1/chat/completions', body)).toEqual(refusal('max_tokens'));
  });

  it.each(BAD_MESSAGES)('is refused for the messages %s', async (messages) => {
    for (const path of ['/v1/chat/completions', '/chat/completions']) {
      const answer = await send(path, `{"model":"opencode-llm","messages":${messages}}`);
      expect(answer).toEqual(refusal('messages'));
    }
  });

  it.each(BAD_PROMPTS)('is refused for the prompt %s', async (prompt) => {
    for (const path of ['/v1/completions', '/chat/completions']) {
      expect(await send(path, `{"model":"opencode-llm","prompt":${prompt}}`)).toEqual(refusal('prompt'));
    }
  });

  it('is refused for what it lacks', async () => {
    const empty = '{"model":"opencode-llm"}';
    expect(await send('/v1/chat/completions', empty)).toEqual(refusal('messages'));
    expect(await send('/v1/completions', empty)).toEqual(refusal('prompt'));
    expect(await send('/chat/completions', empty)).toEqual(refusal('messages'));
    for (const model of ['', '"model":null,']) {
      expect(await send('/v1/chat/completions', `{${model}${MESSAGES}}`)).toEqual(refusal('model'));
      expect(await send('/v1/completions', `{${model}${PROMPT}}`)).toEqual(refusal('model'));
    }
  });

  const whole = `{"model":"opencode-llm",${MESSAGES},${PROMPT}}`;

  it.each<[string, string | Buffer]>([
    ['nothing', ''],
    ['blanks', ' \n'],
    ['null', 'null'],
    ['a list', `[${whole}]`],
    ['a text', '"x"'],
    ['a number', '1e309'],
    ['half of it', whole.slice(0, whole.length / 2)],
    ['all but its last byte', whole.slice(0, -1)],
    ['more than one object', whole + whole],
    ['a byte order mark', `\ufeff${whole}`],
    ['UTF-16', Buffer.from(whole, 'utf16le')],
    ['latin1', Buffer.from(whole.replace('hi', 'h\xed'), 'latin1')],
    [
      'a cut character',
      Buffer.concat([Buffer.from(whole.slice(0, -2)), Buffer.from([0xe2, 0x82]), Buffer.from('"}')]),
    ],
    ['an overlong encoding', Buffer.from(whole.replace('hi', '\xc0\xaf'), 'latin1')],
    ['a surrogate', Buffer.from(whole.replace('hi', '\xed\xa0\x80'), 'latin1')],
    ['a comma too many', `${whole.slice(0, -1)},}`],
    ['NaN', `${whole.slice(0, -1)},"temperature":NaN}`],
    ['a comment', `${whole.slice(0, -1)}/* x */}`],
    ['single quotes', whole.replaceAll('"', "'")],
    ['a raw line end in a text', whole.replace('hi', 'h\ni')],
    ['65 levels', `${whole.slice(0, -1)},"metadata":${nested(65)}}`],
    ['a million levels', `${whole.slice(0, -1)},"metadata":${nested(1_000_000)}}`],
    [
      '257 fields',
      `${whole.slice(0, -1)},${Array.from({ length: 257 }, (_, index) => `"k${index}":1`).join()}}`,
    ],
  ])('is refused for a body of %s', async (_, body) => {
    for (const path of ['/v1/chat/completions', '/v1/completions', '/chat/completions']) {
      expect(await send(path, body)).toEqual(refusal(null, 'invalid_json'));
    }
  });

  it.each<[string, Record<string, string>]>([
    ['text/plain', { 'content-type': 'text/plain' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['multipart', { 'content-type': 'multipart/form-data; boundary=x' }],
    ['another charset', { 'content-type': 'application/json; charset=iso-8859-1' }],
    ['another charset among others', { 'content-type': 'application/json; a=b; charset=utf-16le; c=d' }],
    ['a type that only begins so', { 'content-type': 'application/jsonp' }],
    ['two types', { 'content-type': 'application/json, text/plain' }],
    ['no type', { 'content-type': '' }],
    ['gzip', { 'content-encoding': 'gzip' }],
    ['brotli', { 'content-encoding': 'br' }],
    ['two encodings', { 'content-encoding': 'identity, gzip' }],
  ])('is refused for coming as %s', async (_, headers) => {
    for (const path of ['/v1/chat/completions', '/v1/completions', '/chat/completions']) {
      expect(await send(path, whole, headers)).toEqual(refusal(null, 'unsupported_media_type', 415));
    }
  });

  it('is refused for its size, whatever it says', async () => {
    const body = `{"model":"opencode-llm",${MESSAGES},"metadata":"${'x'.repeat(33 * 1_048_576)}"}`;
    expect(await send('/v1/chat/completions', body)).toEqual(refusal(null, 'body_too_large', 413));
  });
});
