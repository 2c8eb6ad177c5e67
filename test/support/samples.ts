/** The middle of some measurements. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** @param share 0.99 for the value that 99 % stay below */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/**
 * How likely two samples of one distribution differ at least as much as these two do, by the test of Kolmogorov and
 * Smirnov (its asymptotic form, with Stephens' correction).
 */
export function sameDistribution(left: readonly number[], right: readonly number[]): number {
  const [a, b] = [left, right].map((values) => [...values].sort((x, y) => x - y)) as [number[], number[]];
  let [i, j, largest] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const next = Math.min(a[i] as number, b[j] as number);
    while (i < a.length && a[i] === next) i += 1;
    while (j < b.length && b[j] === next) j += 1;
    largest = Math.max(largest, Math.abs(i / a.length - j / b.length));
  }
  const root = Math.sqrt((a.length * b.length) / (a.length + b.length));
  const lambda = (root + 0.12 + 0.11 / root) * largest;
  let probability = 0;
  for (let k = 1; k <= 100; k += 1) probability += 2 * (k % 2 ? 1 : -1) * Math.exp(-2 * k ** 2 * lambda ** 2);
  return lambda < 0.2 ? 1 : Math.min(1, Math.max(0, probability));
}

/**
 * Takes `rounds` samples of each kind in turn, in an order drawn anew every round: whatever else the machine does falls
 * on all of them alike.
 */
export async function interleaved<Kind extends string>(
  kinds: readonly Kind[],
  rounds: number,
  sample: (kind: Kind, round: number) => Promise<number>,
): Promise<Record<Kind, number[]>> {
  const samples = Object.fromEntries(kinds.map((kind) => [kind, [] as number[]])) as Record<Kind, number[]>;
  for (let round = 0; round < rounds; round += 1) {
    for (const kind of shuffled(kinds)) samples[kind].push(await sample(kind, round));
  }
  return samples;
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => [Math.random(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}
