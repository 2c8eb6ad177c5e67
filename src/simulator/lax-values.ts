import { ApiError, quoted } from './api-error';

/** pydantic's lax mode, as vLLM reads its bodies: "true", 1 and "2" pass for what they look like. null means unset. */
const TRUE = new Set(['true', '1', 'yes', 'on', 't', 'y']);
const FALSE = new Set(['false', '0', 'no', 'off', 'f', 'n']);

export function laxBoolean(value: unknown, at: string): boolean | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'boolean') return value;
  if (value === 1 || (typeof value === 'string' && TRUE.has(value.toLowerCase()))) return true;
  if (value === 0 || (typeof value === 'string' && FALSE.has(value.toLowerCase()))) return false;
  if (typeof value === 'object')
    throw ApiError.validation({
      kind: 'bool_type',
      at,
      text: 'Input should be a valid boolean',
      input: value,
    });
  throw ApiError.validation({
    kind: 'bool_parsing',
    at,
    text: 'Input should be a valid boolean, unable to interpret input',
    input: value,
  });
}

export function laxInteger(value: unknown, at: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'number') {
    if (Number.isInteger(value)) return value;
    if (!Number.isFinite(value))
      throw ApiError.validation({
        kind: 'finite_number',
        at,
        text: 'Input should be a finite number',
        input: 'inf',
      });
    throw ApiError.validation({
      kind: 'int_from_float',
      at,
      text: 'Input should be a valid integer, got a number with a fractional part',
      input: value,
    });
  }
  if (typeof value === 'string') {
    if (/^\s*[+-]?\d+(\.0+)?\s*$/.test(value)) return Number(value);
    throw ApiError.validation({
      kind: 'int_parsing',
      at,
      text: 'Input should be a valid integer, unable to parse string as an integer',
      input: value,
    });
  }
  throw ApiError.validation({ kind: 'int_type', at, text: 'Input should be a valid integer', input: value });
}

/** @throws ApiError when it is below the least value allowed */
export function laxIntegerFrom(least: number, value: unknown, at: string): number | undefined {
  const number = laxInteger(value, at);
  if (number === undefined || number >= least) return number;
  throw ApiError.validation({
    kind: 'greater_than_equal',
    at,
    text: `Input should be greater than or equal to ${least}`,
    input: value,
    context: `{'ge': ${least}}`,
  });
}

export function laxNumber(value: unknown, at: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'number') return value;
  if (typeof value === 'string') {
    const number = Number(value);
    if (value.trim() !== '' && !Number.isNaN(number)) return number;
    throw ApiError.validation({
      kind: 'float_parsing',
      at,
      text: 'Input should be a valid number, unable to parse string as a number',
      input: value,
    });
  }
  throw ApiError.validation({ kind: 'float_type', at, text: 'Input should be a valid number', input: value });
}

export function optionalString(value: unknown, at: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  throw ApiError.validation({
    kind: 'string_type',
    at,
    text: 'Input should be a valid string',
    input: value,
  });
}

/** @throws ApiError when it is none of these texts */
export function optionalOneOf(allowed: readonly string[], value: unknown, at: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (allowed.includes(value as string)) return value as string;
  const names = allowed.map((one) => `'${one}'`);
  const expected = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
  throw ApiError.validation({
    kind: 'literal_error',
    at,
    text: `Input should be ${expected}`,
    input: value,
    context: `{'expected': ${quoted(expected)}}`,
  });
}

export function optionalObject(value: unknown, at: string): Record<string, unknown> | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  throw ApiError.validation({
    kind: 'model_attributes_type',
    at,
    text: 'Input should be a valid dictionary or object to extract fields from',
    input: value,
  });
}

/** The same for a field that is a plain dictionary, which pydantic words otherwise. */
export function optionalDictionary(value: unknown, at: string): Record<string, unknown> | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>;
  throw ApiError.validation({
    kind: 'dict_type',
    at,
    text: 'Input should be a valid dictionary',
    input: value,
  });
}

export function optionalList(value: unknown, at: string): unknown[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (Array.isArray(value)) return value;
  throw ApiError.validation({ kind: 'list_type', at, text: 'Input should be a valid list', input: value });
}
