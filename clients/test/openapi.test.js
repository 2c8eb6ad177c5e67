import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'node:test';

const clients = join(import.meta.dirname, '..');
const root = join(clients, '..');

function run(args, env) {
  return spawnSync(process.execPath, args, {
    cwd: clients,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  });
}

it('npm run openapi writes a document without fault, with nothing running', () => {
  // An address nobody listens on: whoever needed a database would fail.
  const written = run([join(root, 'scripts', 'openapi.js')], { DATABASE_URL: 'postgres://127.0.0.1:1/none' });
  assert.equal(written.status, 0, written.stderr);
  const linted = run(
    [
      join(clients, 'node_modules', '@redocly', 'cli', 'bin', 'cli.js'),
      'lint',
      '--config=redocly.yaml',
      '../openapi.json',
    ],
    { REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', REDOCLY_TELEMETRY: 'off' },
  );
  assert.equal(linted.status, 0, linted.stdout + linted.stderr);
});
