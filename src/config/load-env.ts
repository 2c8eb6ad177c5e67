import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { validateSync } from 'class-validator';
import { cutSetting } from './cut-setting';
import { Env, FILE_SETTINGS } from './env';

/** A setting is wrong: start-up prints `message` alone and exits with 1. */
export class ConfigurationError extends Error {}

type Source = Record<string, string | undefined>;

/**
 * Reads and checks every setting.
 * @param unlessSet takes the place of a default
 * @throws ConfigurationError naming the variable and what it must be, never its value.
 */
export function loadEnv(source: Source = process.env, unlessSet: Source = {}): Env {
  const env = new Env();
  const defaults = new Map(Object.entries(new Env()));
  for (const name of settingNames()) {
    const text = settingText(source, name) ?? unlessSet[name];
    if (text === undefined) continue;
    Object.assign(env, { [name]: convert(name, text, defaults.get(name)) });
  }
  const problems = validateSync(env, { skipMissingProperties: false }).flatMap((error) =>
    Object.values(error.constraints ?? {}),
  );
  if (problems.length > 0) throw new ConfigurationError(`Wrong setting: ${problems.join('; ')}.`);
  return env;
}

/**
 * Loads `.env` of the working directory into process.env, keeping what is already set there.
 * @throws ConfigurationError naming the variable whose value would lose its end, and its line.
 */
export function loadDotEnv(path = '.env'): void {
  if (!existsSync(path)) return;
  // Some editors put a byte order mark in front, which would be taken for a part of the first name.
  const text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  const cut = cutSetting(text);
  if (cut) {
    throw new ConfigurationError(
      `Wrong setting: ${cut.name}, in line ${cut.line} of .env, has a # without a space in front and would end there: ` +
        'put the value into quotes, right behind the =.',
    );
  }
  for (const [name, value] of Object.entries(parseEnv(text))) process.env[name] ??= value;
}

const BOOLEANS: ReadonlySet<string> = new Set([
  'MIGRATE_ON_START',
  'ONE_NAME_PER_MODEL',
  'ALLOW_EMBEDDED_DATABASE',
  'ALLOW_GENERATED_SECRETS',
  'ALLOW_SIMULATOR',
]);

/** Taken as they are: a login compares passwords exactly, spaces at their ends included. */
const VERBATIM: ReadonlySet<string> = new Set(['ADMIN_PASSWORD']);

/** The names of all settings: the own fields of Env, the optional ones included. */
export function settingNames(): (keyof Env & string)[] {
  return Object.keys(new Env()) as (keyof Env & string)[];
}

function settingText(source: Source, name: string): string | undefined {
  const direct = source[name];
  const cleaned = VERBATIM.has(name) ? (text: string) => text : (text: string) => text.trim();
  if (direct !== undefined && direct.trim() !== '') return cleaned(direct);
  const file = source[`${name}_FILE`];
  if (file === undefined || file.trim() === '' || !FILE_SETTINGS.some((setting) => setting === name)) {
    return undefined;
  }
  try {
    const text = readFileSync(file.trim(), 'utf8');
    // An editor ends the last line; that is not of the value.
    return text.trim() === '' ? undefined : cleaned(text.replace(/\r?\n$/, ''));
  } catch (error) {
    throw new ConfigurationError(
      `${name}_FILE names a file that cannot be read: ${(error as Error).message}.`,
    );
  }
}

function convert(name: string, text: string, fallback: unknown): unknown {
  if (BOOLEANS.has(name)) {
    if (/^(true|1|yes|on)$/i.test(text)) return true;
    if (/^(false|0|no|off)$/i.test(text)) return false;
    throw new ConfigurationError(`Wrong setting: ${name} must be true or false.`);
  }
  if (typeof fallback !== 'number') return text;
  if (!/^-?\d{1,15}$/.test(text))
    throw new ConfigurationError(`Wrong setting: ${name} must be a whole number.`);
  return Number(text);
}
