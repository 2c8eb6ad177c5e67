import { StreamExpectations, StreamMeter } from './stream-meter';

const usage = (prompt: number, completion: number, more = '') =>
  `"usage":{"prompt_tokens":${prompt},"total_tokens":${prompt + completion},"completion_tokens":${completion}${more}}`;
const chunk = (index: number, text: string, tail: string, finish = 'null') =>
  `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"served","choices":[{"index":${index},"delta":{"content":${JSON.stringify(text)}},"logprobs":null,"finish_reason":${finish},"token_ids":null}]${tail}}`;

const meter = (more: Partial<StreamExpectations> = {}) =>
  new StreamMeter({
    servedModel: 'served',
    publicModel: 'public',
    choices: 1,
    prompts: 1,
    wantsUsage: false,
    wantsContinuousUsage: false,
    ...more,
  });

describe('StreamMeter', () => {
  it('hides the usage a client did not ask for and shows the public model name', () => {
    const seen = meter().see(chunk(0, 'hi', `,${usage(3, 1)}`));
    expect(seen).toBe(chunk(0, 'hi', '').replace('"served"', '"public"'));
  });

  it('finds usage in front of other fields, and takes out no more than that', () => {
    const one = meter();
    const tail = ',"system_fingerprint":"f","kv_transfer_params":null';
    for (const finish of ['null', '"stop"']) {
      const seen = one.see(chunk(0, 'hi', `,${usage(3, 1)}${tail}`, finish));
      expect(seen).toBe(chunk(0, 'hi', tail, finish).replace('"served"', '"public"'));
    }
    expect(one.usage()).toMatchObject({ usage: { prompt: 3, completion: 1 }, source: 'exact' });
    expect(one.isWhole).toBe(true);
  });

  it('reads events without a space behind the colon as well', () => {
    const one = meter();
    const frames = [chunk(0, 'hi', `,${usage(3, 1)}`), chunk(0, '!', `,${usage(3, 2)}`, '"stop"')];
    for (const frame of frames) expect(one.see(frame.replace(': ', ':'))).toBe(meter().see(frame));
    expect(one.usage()).toMatchObject({ usage: { prompt: 3, completion: 2 }, source: 'exact' });
    expect([one.isWhole, one.see('data:[DONE]'), one.sawDone]).toEqual([true, null, true]);
    const failing = meter();
    const error = '{"error":{"message":"dead","code":500}}';
    expect([failing.see(`data:${error}`), failing.sawError]).toEqual([`data: ${error}`, true]);
  });

  const spaced = (frame: string) =>
    `data: ${JSON.stringify(JSON.parse(frame.slice('data: '.length)), null, 1).replaceAll(/\n */g, ' ')}`;

  it.each<[string, (frame: string) => string]>([
    ['behind the kind of the event', (frame) => `event: message\n${frame}`],
    ['behind a comment', (frame) => `: keep\n${frame}`],
    ['behind an id, with CRLF', (frame) => `id: 1\r\n${frame}`],
    ['in lines', (frame) => spaced(frame).replaceAll(', ', ',\ndata: ')],
    ['with blanks', spaced],
  ])('reads events as well that something on the way wrote anew: %s', (_, written) => {
    const one = meter();
    const frames = [chunk(0, 'hi', `,${usage(3, 1)}`), chunk(0, '!', `,${usage(3, 2)}`, '"stop"')];
    for (const frame of frames) expect(one.see(written(frame))).toBe(meter().see(frame));
    expect(one.usage()).toMatchObject({ usage: { prompt: 3, completion: 2 }, source: 'exact' });
    expect(one.isWhole).toBe(true);
  });

  it('leaves every character whole in what it has to write anew, escaped or not', () => {
    const text = '\u00e9 \u4e2d \u{1f600} \u0122 \u010a\u010adata: [DONE] "\\n';
    const escaped = (json: string) =>
      json.replaceAll(/[^\0-\x7f]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
    const plain = chunk(0, text, '');
    for (const written of [spaced(plain), escaped(spaced(plain))]) {
      const seen = meter().see(Buffer.from(written).toString('latin1')) as string;
      expect(Buffer.from(seen, 'latin1').toString('utf8')).toBe(plain.replace('"served"', '"public"'));
    }
  });

  it('leaves a whole object where usage is the first in it', () => {
    const first = `data: {${usage(3, 1)},${chunk(0, 'hi', '').slice('data: {'.length)}`;
    expect(meter().see(first)).toBe(meter().see(chunk(0, 'hi', '')));
  });

  it('hides usage in the middle of an event, as in the role chunk of vLLM', () => {
    const seen = meter().see(
      chunk(0, '', `,${usage(3, 1, ',"completion_tokens_details":null')},"prompt_text":null`),
    );
    expect(seen).toBe(chunk(0, '', ',"prompt_text":null').replace('"served"', '"public"'));
  });

  it('leaves out the final usage event unless the client asked for it', () => {
    const final = `data: {"id":"1","model":"served","choices":[],${usage(3, 9)},"system_fingerprint":"x"}`;
    expect(meter().see(final)).toBeNull();
    expect(meter({ wantsUsage: true }).see(final)).toBe(final.replace('"served"', '"public"'));
  });

  it('keeps usage in every event for a client that asked for continuous usage', () => {
    const seen = meter({ wantsUsage: true, wantsContinuousUsage: true }).see(
      chunk(0, 'hi', `,${usage(3, 1)}`),
    );
    expect(seen).toContain('"completion_tokens":1');
  });

  it('is not fooled by a text that looks like usage, an end or a model name', () => {
    const text = '","usage":{"completion_tokens":999},"finish_reason":"stop","model":"evil","choices":[]';
    const one = meter();
    expect(one.see(chunk(0, text, `,${usage(3, 2)}`))).toBe(
      chunk(0, text, '').replace('"served"', '"public"'),
    );
    expect(one.isWhole).toBe(false);
    expect(one.usage()).toEqual({
      usage: { prompt: 3, cached: 0, completion: 2, reasoning: 0 },
      source: 'exact',
      promptKnown: true,
    });
  });

  it('finds usage and end wherever an event has them', () => {
    const one = meter({ choices: 12 });
    const tails = ['', ',"prompt_text":null', `,"more":${JSON.stringify('x'.repeat(300))}`];
    for (const [at, tail] of [...tails, ...tails.toReversed(), ''].entries()) {
      const finish = at === 4 ? '"stop"' : 'null';
      const event = (counted: string) => chunk(11, 'x'.repeat(at * 40), counted + tail, finish);
      expect(one.see(event(`,${usage(10 ** at, 10 ** at)}`))).toBe(event('').replace('"served"', '"public"'));
    }
    expect(one.usage()).toMatchObject({ usage: { completion: 10 ** 6 } });
    const two = meter();
    for (const finish of ['null', '"stop"']) {
      expect(two.isWhole).toBe(false);
      two.see(chunk(0, 'x', `,${usage(3, 2)}`, finish));
    }
    expect(two.isWhole).toBe(true);
  });

  it('sums the last count of every choice of a cut stream, the prompt once', () => {
    const cut = meter({ choices: 3 });
    for (const [index, count] of [
      [0, 1],
      [1, 1],
      [2, 1],
      [0, 4],
      [2, 2],
    ] as const) {
      cut.see(chunk(index, 'x', `,${usage(10, count)}`));
    }
    expect(cut.usage().usage).toMatchObject({ prompt: 10, completion: 7 });
  });

  it('adds up the prompts of a list, and says when it has not seen them all', () => {
    const cut = meter({ choices: 2, prompts: 2 });
    cut.see(chunk(0, 'x', `,${usage(5, 1)}`));
    cut.see(chunk(1, 'x', `,${usage(5, 1)}`));
    expect(cut.usage()).toMatchObject({ promptKnown: false, source: 'estimated' });
    cut.see(chunk(3, 'x', `,${usage(7, 2)}`));
    expect(cut.usage()).toMatchObject({
      usage: { prompt: 12, completion: 4 },
      promptKnown: true,
      source: 'exact',
    });
  });

  it('takes the final totals, cached and reasoning tokens included', () => {
    const whole = meter();
    whole.see(chunk(0, 'x', `,${usage(5, 3)}`, '"stop"'));
    whole.see(
      `data: {"model":"served","choices":[],"usage":{"prompt_tokens":5,"total_tokens":8,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}`,
    );
    expect(whole.isWhole).toBe(true);
    expect(whole.usage().usage).toEqual({ prompt: 5, cached: 4, completion: 3, reasoning: 2 });
  });

  it.each([
    '{"error":{"message":"m","type":"InternalServerError","param":null,"code":500}}',
    '{"error": {"message": "m", "type": "InternalServerError", "param": null, "code": 500}}',
  ])('is not whole before every choice has finished, nor after an error event: %s', (error) => {
    const two = meter({ choices: 2 });
    two.see(chunk(0, 'x', '', '"stop"'));
    expect(two.isWhole).toBe(false);
    two.see(chunk(1, 'x', '', '"length"'));
    expect(two.isWhole).toBe(true);
    expect(two.see(`data: ${error}`)).toBe(`data: ${error}`);
    expect(two.isWhole).toBe(false);
  });

  it('passes comments on and counts nothing for them', () => {
    const quiet = meter();
    expect(quiet.see(': keep-alive')).toBe(': keep-alive');
    expect(quiet.usage().usage.completion).toBe(0);
  });

  it('marks what it had to count by events as an estimate', () => {
    const plain = meter();
    plain.see(chunk(0, 'a', ''));
    plain.see(chunk(0, 'b', '', '"stop"'));
    expect(plain.usage()).toMatchObject({
      usage: { completion: 2 },
      source: 'estimated',
      promptKnown: false,
    });
  });

  it('does not believe impossible counts', () => {
    const odd = meter();
    odd.see(chunk(0, 'a', ',"usage":{"prompt_tokens":-1,"completion_tokens":1.5}'));
    expect(odd.usage().source).toBe('estimated');
  });

  it('counts events of an upstream without usage, but not those that only begin a choice', () => {
    const begins = (index: number) =>
      chunk(index, '', '').replace('"delta":{"content":""}', '"delta":{"role":"assistant","content":""}');
    const cut = meter({ choices: 2 });
    for (const frame of [begins(0), begins(1), chunk(0, 'a', ''), chunk(1, 'b', ''), chunk(0, '', '')])
      cut.see(frame);
    expect(cut.usage().usage.completion).toBe(3);
    const texts = meter();
    for (const text of ['a', 'b']) texts.see(chunk(0, text, ''));
    expect(texts.usage().usage.completion).toBe(2);
  });
});
