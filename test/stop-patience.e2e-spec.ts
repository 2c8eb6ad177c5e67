import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadEnv } from '../src/config/load-env';

const read = (file: string) => readFileSync(join(__dirname, '..', file), 'utf8');

it('compose waits for the end of the gateway as long as the operations guide asks for', () => {
  const [, beside] = /at least `SHUTDOWN_GRACE_MS` plus (\d+) seconds/.exec(read('docs/operations.md')) ?? [];
  const [, given] = /stop_grace_period: (\d+)s/.exec(read('docker-compose.yml')) ?? [];
  // A balancer has 5 s, the tokens of what is cut 10 s, the last connections 2 s; then the application is closed.
  expect(Number(beside)).toBeGreaterThanOrEqual(5 + 10 + 2 + 5);
  expect(Number(given)).toBe(loadEnv({}).SHUTDOWN_GRACE_MS / 1_000 + Number(beside));
});
