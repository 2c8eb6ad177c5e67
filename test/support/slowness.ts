/** What the work below takes on a machine on which the bounds of the tests hold with room, in milliseconds. */
const USUAL_MS = 4;
/** Long enough to be interrupted as often as what is measured. */
const LEAST_MS = 150;

const TEXT = JSON.stringify(
  Array.from({ length: 4_000 }, (_, index) => ({ id: index, name: `item ${index}`, even: index % 2 === 0 })),
);

/**
 * How much longer things take here and now than on a usual machine, because its cores are slower or others keep them
 * busy; 1 on one that is not slower. Takes 150 ms.
 */
export function slowness(): number {
  const began = performance.now();
  let times = 0;
  for (; performance.now() - began < LEAST_MS; times += 1) JSON.stringify(JSON.parse(TEXT));
  return Math.max(1, (performance.now() - began) / times / USUAL_MS);
}
