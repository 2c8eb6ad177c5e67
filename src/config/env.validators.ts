import { ValidateBy } from 'class-validator';

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

export function isTimeZone(value: unknown): boolean {
  try {
    return typeof value === 'string' && Boolean(new Intl.DateTimeFormat('en', { timeZone: value }));
  } catch {
    return false;
  }
}

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
