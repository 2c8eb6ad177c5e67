/** What the work below takes on a machine on which the bounds of the tests hold with room, in milliseconds. */
const USUAL_MS = 4;
const TRIES = 5;

const TEXT = JSON.stringify(
  Array.from({ length: 4_000 }, (_, index) => ({ id: index, name: `item ${index}`, even: index % 2 === 0 })),
);

/**
 * How much longer things take here and now than on a usual machine, because its cores are slower or others keep them
 * busy; 1 on one that is not slower.
 */
export function slowness(): number {
  const took = Array.from({ length: TRIES }, () => {
    const began = performance.now();
    JSON.stringify(JSON.parse(TEXT));
    return performance.now() - began;
  }).toSorted((one, other) => one - other);
  return Math.max(1, (took[Math.floor(TRIES / 2)] as number) / USUAL_MS);
}
