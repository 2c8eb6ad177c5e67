import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Env } from '../config/env';
import type { DataDirectory } from './data-directory';
import { isGuessableSecret } from './guessable-secret';
import { StartupFailure } from './startup-failure';

const SECRETS = { JWT_SECRET: 'jwt-secret', API_KEY_PEPPER: 'api-key-pepper' } as const;
const GENERATED_BYTES = 32;
const SHORTEST = 32;

/** Fills in the secrets that are not set, the same ones for every process over one DATA_DIR. @returns the names of those */
export async function provideSecrets(env: Env, directory: DataDirectory): Promise<string[]> {
  const generated: string[] = [];
  for (const name of ['JWT_SECRET', 'API_KEY_PEPPER'] as const) {
    const setting = env[name];
    if (setting !== undefined) {
      refuseGuessable(name, setting);
      continue;
    }
    env[name] = await directory.keepFirst(SECRETS[name], randomBytes(GENERATED_BYTES).toString('hex'));
    if (env[name].length < SHORTEST) {
      throw new StartupFailure(
        `${join(directory.path, SECRETS[name])} is damaged: it must hold at least ${SHORTEST} characters; ` +
          `restore it from a backup or set ${name}.`,
      );
    }
    generated.push(name);
  }
  if (env.JWT_SECRET === env.API_KEY_PEPPER) {
    throw new StartupFailure('JWT_SECRET and API_KEY_PEPPER must be two different secrets.');
  }
  return generated;
}

function refuseGuessable(name: string, secret: string): void {
  if (!isGuessableSecret(secret)) return;
  throw new StartupFailure(`${name} is too easy to guess; make one with: openssl rand -hex 32`);
}
