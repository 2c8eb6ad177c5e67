import { ValidateBy } from 'class-validator';
import { LAST_INSTANT } from '../common/last-instant';

/** A point in time as a query names it: a calendar day (in LIMITS_TIME_ZONE) or an instant. */
export type Moment = { readonly day: string } | { readonly instant: Date };

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const INSTANT =
  /^(\d{4}-\d{2}-\d{2})[Tt]((?:[01]\d|2[0-3]):\d{2}:\d{2}(?:\.\d{1,9})?)([Zz]|[+-]\d{2}:\d{2})$/;

/** An RFC 3339 date or date-time of a query; null for anything else, February 30th included. */
export function parseMoment(text: string): Moment | null {
  if (isDay(text)) return { day: text };
  // An unencoded `+` in a query arrives as a space; there is only one thing it can have been.
  const instant = parseInstant(text.replace(/ (?=\d{2}:\d{2}$)/, '+'));
  return instant && { instant };
}

/** An RFC 3339 date-time; null for anything else. */
export function parseInstant(text: string): Date | null {
  const [, day = '', time = '', offset = ''] = INSTANT.exec(text) ?? [];
  const instant = new Date(`${day}T${time}${offset.toUpperCase()}`);
  return isDay(day) && !Number.isNaN(instant.getTime()) ? instant : null;
}

/** A moment as two parameters of a query, [instant, day], of which one or none is set. */
export function momentParameters(text: string | undefined): [Date | null, string | null] {
  const moment = text === undefined ? null : parseMoment(text);
  if (moment === null) return [null, null];
  return 'day' in moment ? [null, moment.day] : [moment.instant, null];
}

export const IsMoment = (): PropertyDecorator =>
  ValidateBy({
    name: 'isMoment',
    validator: {
      validate: (value) => momentOf(value) !== null && !isTooLate(value),
      defaultMessage: (checked) =>
        isTooLate(checked?.value)
          ? `$property must not be after ${LAST_INSTANT}`
          : '$property must be a date such as 2026-11-01 or a date-time such as 2026-11-01T00:00:00Z',
    },
  });

const momentOf = (value: unknown): Moment | null => (typeof value === 'string' ? parseMoment(value) : null);

function isTooLate(value: unknown): boolean {
  const moment = momentOf(value);
  return moment !== null && 'instant' in moment && moment.instant > new Date(LAST_INSTANT);
}

export function isDay(text: string): boolean {
  if (!DAY.test(text) || text.startsWith('0000')) return false;
  const midnight = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(text);
}
