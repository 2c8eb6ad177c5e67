import assert from 'node:assert/strict';

/** The error a call ends with; a call that succeeds fails the test. */
export const refusal = (call) =>
  call.then(
    () => assert.fail('it succeeded'),
    (error) => error,
  );

/** Everything a stream yields. */
export async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}
