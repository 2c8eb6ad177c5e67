import { isIP } from 'node:net';
import { IsUrl, ValidateBy, ValidationArguments } from 'class-validator';
import { parseDatabaseUrl } from './database-url';
import { apiKeysProblem, BASE_URL_RULES, baseUrlsProblem } from './vllm-servers';

/** Parses `public=served,other=served2` into a map; null when it is not of that form. */
export function parseModelAliases(text: string): Map<string, string> | null {
  const aliases = new Map<string, string>();
  for (const pair of text.split(',').filter((part) => part.trim() !== '')) {
    const [name, served, ...rest] = pair.split('=').map((part) => part.trim());
    if (!name || !served || rest.length > 0 || aliases.has(name)) return null;
    aliases.set(name, served);
  }
  return aliases;
}

function isTimeZone(value: unknown): boolean {
  try {
    return typeof value === 'string' && Boolean(new Intl.DateTimeFormat('en', { timeZone: value }));
  } catch {
    return false;
  }
}

export const IsDatabaseUrl = (): PropertyDecorator =>
  ValidateBy({
    name: 'isDatabaseUrl',
    validator: {
      validate: (value) => typeof value === 'string' && parseDatabaseUrl(value) !== null,
      defaultMessage: () => '$property must be a URL such as postgres://user:password@host:5432/database',
    },
  });

export const IsBaseUrl = (): PropertyDecorator =>
  IsUrl(BASE_URL_RULES, {
    message: '$property must be a URL such as http://host:8000, without user, ? and #',
  });

export const IsBaseUrls = (): PropertyDecorator =>
  ValidateBy({
    name: 'isBaseUrls',
    validator: {
      validate: (value) => typeof value === 'string' && baseUrlsProblem(value) === null,
      defaultMessage: (told) => `$property ${baseUrlsProblem(String(told?.value))}`,
    },
  });

function keysProblem(told: ValidationArguments | undefined): string | null {
  const { VLLM_BASE_URL = '' } = (told?.object ?? {}) as { VLLM_BASE_URL?: string };
  return apiKeysProblem(String(told?.value), VLLM_BASE_URL);
}

/** Of the servers that VLLM_BASE_URL names. */
export const IsApiKeys = (): PropertyDecorator =>
  ValidateBy({
    name: 'isApiKeys',
    validator: {
      validate: (_, told) => keysProblem(told) === null,
      defaultMessage: (told) => `$property ${keysProblem(told)}`,
    },
  });

const NAMED_NETWORKS: ReadonlySet<string> = new Set(['loopback', 'linklocal', 'uniquelocal']);

function isNetwork(text: string): boolean {
  if (NAMED_NETWORKS.has(text)) return true;
  const [address = '', bits = '32', ...rest] = text.split('/');
  const version = isIP(address);
  return (
    version > 0 &&
    rest.length === 0 &&
    /^[1-9]\d{0,2}$/.test(bits) &&
    Number(bits) <= (version === 4 ? 32 : 128)
  );
}

/** Express takes the same, and throws at anything else. */
export const IsTrustProxy = (): PropertyDecorator =>
  ValidateBy({
    name: 'isTrustProxy',
    validator: {
      validate: (value) =>
        typeof value === 'string' &&
        (/^(true|false|\d{1,4})$/.test(value) || value.split(',').every((part) => isNetwork(part.trim()))),
      defaultMessage: () =>
        '$property must be true, false, a number of hops, or addresses and networks such as 10.0.0.0/8,127.0.0.1',
    },
  });

export const IsModelAliases = (): PropertyDecorator =>
  ValidateBy({
    name: 'isModelAliases',
    validator: {
      validate: (value) => typeof value === 'string' && parseModelAliases(value) !== null,
      defaultMessage: () => '$property must look like public-name=served-name,other-name=served-name',
    },
  });

export const IsTimeZone = (): PropertyDecorator =>
  ValidateBy({
    name: 'isTimeZone',
    validator: {
      validate: isTimeZone,
      defaultMessage: () => '$property must be an IANA time zone such as UTC or Europe/Berlin',
    },
  });

export const IsWorkers = (): PropertyDecorator =>
  ValidateBy({
    name: 'isWorkers',
    validator: {
      validate: (value) => typeof value === 'string' && /^(auto|[1-9]\d?|1[01]\d|12[0-8])$/.test(value),
      defaultMessage: () => '$property must be auto or a whole number from 1 to 128',
    },
  });

export const IsZeroOrAtLeast = (least: number): PropertyDecorator =>
  ValidateBy({
    name: 'isZeroOrAtLeast',
    validator: {
      validate: (value) => typeof value === 'number' && (value === 0 || value >= least),
      defaultMessage: () => `$property must be 0 or at least ${least}`,
    },
  });
