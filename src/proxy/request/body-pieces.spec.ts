import { BodyPieces } from './body-pieces';

const MANY = 2_000_000;
const MOST_BESIDE = 24 * 1_024 * 1_024;

describe('the pieces of a body', () => {
  it.each([
    ['of one byte', Array.from({ length: 10_000 }, () => 1)],
    ['of all sizes', Array.from({ length: 300 }, (_, n) => (n * 977) % 40_000)],
    ['of which one is empty', [0, 5, 0]],
    ['that are one, large', [200_000]],
    ['that are one, small', [3]],
    ['that are none', []],
  ])('are together what came: %s', (_, lengths) => {
    const pieces = new BodyPieces();
    const came = lengths.map((length, n) => Buffer.alloc(length, n % 251));
    for (const piece of came) pieces.add(piece);
    expect(pieces.size).toBe(lengths.reduce((sum, length) => sum + length, 0));
    expect(pieces.together().equals(Buffer.concat(came))).toBe(true);
  });

  it('are not overwritten with what they were read into', () => {
    const pieces = new BodyPieces();
    const read = Buffer.from('abc');
    pieces.add(read);
    read.fill('x');
    expect(pieces.together().toString()).toBe('abc');
  });

  it('take little more than their bytes, however small they are', () => {
    const pieces = new BodyPieces();
    const read = Buffer.alloc(65_536, 'a');
    const before = process.memoryUsage();
    for (let n = 0; n < MANY; n += 1) pieces.add(read.subarray(n % 65_536, (n % 65_536) + 1));
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    expect(pieces.size).toBe(MANY);
    // Of garbage, too, which is there until it is collected.
    const { arrayBuffers: buffersBefore } = before;
    expect(arrayBuffers - buffersBefore).toBeLessThan(2 * MANY);
    expect(heapUsed - before.heapUsed).toBeLessThan(MOST_BESIDE + 60 * MANY);
    expect(pieces.together().length).toBe(MANY);
  });
});
