import type { IncomingMessage } from 'node:http';
import { BodyMemory } from './body-memory';

const MIB = 1_024 * 1_024;

/** Takes bytes for requests by name, and tells who had to give up. */
function memoryOf(largest: number) {
  const memory = new BodyMemory(largest);
  const requests = new Map<string, IncomingMessage>();
  const gaveUp: string[] = [];
  const requestOf = (name: string): IncomingMessage => {
    const request = requests.get(name) ?? ({} as IncomingMessage);
    requests.set(name, request);
    return request;
  };
  return {
    gaveUp,
    take: (name: string, bytes: number) => memory.take(requestOf(name), bytes, () => gaveUp.push(name)),
    keep: (name: string) => memory.keep(requestOf(name)),
    release: (name: string) => memory.release(requestOf(name)),
  };
}

describe('the memory of request bodies', () => {
  it('makes room by giving up the one that began first', () => {
    const { take, gaveUp } = memoryOf(32 * MIB);
    for (let i = 0; i < 16; i += 1) take(`slow ${i}`, 32 * MIB);
    expect(gaveUp).toEqual([]);
    take('next', 1);
    take('next', 32 * MIB);
    expect(gaveUp).toEqual(['slow 0', 'slow 1']);
  });

  it('gives up neither small ones nor what has come', () => {
    const { take, keep, release, gaveUp } = memoryOf(32 * MIB);
    for (let i = 0; i < 16; i += 1) {
      take(`whole ${i}`, 32 * MIB);
      keep(`whole ${i}`);
    }
    take('small', MIB);
    take('another small', MIB);
    expect(gaveUp).toEqual([]);
    take('large', MIB + 1);
    expect(gaveUp).toEqual(['large']);
    release('whole 3');
    take('large again', MIB + 1);
    expect(gaveUp).toEqual(['large']);
  });

  it('counts what they are parsed to, and takes one by itself whatever it weighs', () => {
    const memory = new BodyMemory(32 * MIB, 600 * MIB);
    const [one, other, third] = [{}, {}, {}] as [IncomingMessage, IncomingMessage, IncomingMessage];
    expect(memory.weigh(one, 150 * MIB)).toBe(true);
    expect([memory.weigh(other, 0), memory.weigh(other, 1)]).toEqual([true, false]);
    memory.release(one);
    expect([memory.weigh(other, 60 * MIB), memory.weigh(third, 60 * MIB)]).toEqual([true, false]);
    expect(memory.weigh(third, 40 * MIB)).toBe(true);
  });

  it('has less room where the heap of the process is small', () => {
    const memory = new BodyMemory(32 * MIB, 240 * MIB);
    const gaveUp: number[] = [];
    for (let i = 0; i < 6; i += 1) memory.take({} as IncomingMessage, 8 * MIB, () => gaveUp.push(i));
    expect(gaveUp).toEqual([0]);
  });
});
