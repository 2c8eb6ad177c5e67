import { cpuTime } from '../../../test/support/cpu-time';
import { slowness } from '../../../test/support/slowness';
import { EventTooLongError, SseFrames } from './sse-frames';

/** What comes of these pieces: the events, and the beginning of an unfinished one. */
const collect = (pieces: Iterable<string>) => {
  const frames = new SseFrames();
  const events: string[] = [];
  for (const piece of pieces) frames.push(piece, (event) => events.push(event));
  return { events, begun: frames.begun };
};

/** UTF-8 as it is relayed, and back: one character a byte. */
const bytes = (text: string) => Buffer.from(text, 'utf8').toString('latin1');
const text = (latin1: string) => Buffer.from(latin1, 'latin1').toString('utf8');

describe('SseFrames', () => {
  it.each<[string, string, string[]]>([
    ['line feeds', 'data: 1\n\n: note\n\ndata: [DONE]\n\n', ['data: 1', ': note', 'data: [DONE]']],
    ['carriage returns', 'data: 1\r\n\r\ndata: 2\r\n\r\n', ['data: 1', 'data: 2']],
    ['both', 'data: 1\n\ndata: 2\r\n\r\ndata: 3\n\n', ['data: 1', 'data: 2', 'data: 3']],
    ['more blank lines than needed', '\n\ndata: 1\n\n\n\n\n\ndata: 2\n\n', ['data: 1', 'data: 2']],
    [
      'events of several lines',
      'event: x\ndata: 1\n\nid: 2\r\ndata: 2\r\n\r\n',
      ['event: x\ndata: 1', 'id: 2\r\ndata: 2'],
    ],
    [
      'the longest characters there are',
      bytes('data: "😀é\u2028漢"\n\ndata: "\u{10ffff}"\n\n'),
      [bytes('data: "😀é\u2028漢"'), bytes('data: "\u{10ffff}"')],
    ],
  ])('finds the same events of %s however they are split', (_, stream, events) => {
    expect(collect([stream])).toEqual({ events, begun: '' });
    expect(collect(stream)).toEqual({ events, begun: '' });
    for (let first = 0; first <= stream.length; first += 1) {
      for (let second = first; second <= stream.length; second += 1) {
        const pieces = [stream.slice(0, first), stream.slice(first, second), stream.slice(second)];
        expect(collect(pieces)).toEqual({ events, begun: '' });
      }
    }
  });

  it('gives characters that were split back whole', () => {
    const event = `data: ${'naïve 漢字 😀 '.repeat(40)}`;
    const stream = bytes(`${event}\n\n`);
    for (let size = 1; size < 12; size += 1) {
      const pieces = stream.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
      expect(collect(pieces).events.map(text)).toEqual([event]);
    }
  });

  it('tells how an unfinished event begins', () => {
    expect(collect(['data: 1\n\n: ke', 'ep-al', 'ive'])).toEqual({ events: ['data: 1'], begun: ': ke' });
    expect(collect(['data: 1\r\n\r'])).toEqual({ events: [], begun: 'data: 1\r\n\r' });
  });

  it('takes a long event in thousands of pieces no longer than their sum', () => {
    const piece = 'x'.repeat(16_384);
    const took = cpuTime(() => {
      const { events } = collect([...Array<string>(2_000).fill(piece), '\n\n']);
      expect(events.map(({ length }) => length)).toEqual([2_000 * 16_384]);
    });
    // Joined at every piece, it takes minutes.
    expect(took).toBeLessThan(2_000 * slowness());
  });

  it('gives up on an event that does not end', () => {
    const piece = 'x'.repeat(1_048_576);
    expect(() => collect(Array<string>(65).fill(piece))).toThrow(EventTooLongError);
    expect(collect(Array<string>(64).fill(piece)).events).toEqual([]);
  });
});
