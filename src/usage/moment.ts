import { ValidateBy } from 'class-validator';

/** A point in time as a query names it: a calendar day (in LIMITS_TIME_ZONE) or an instant. */
export type Moment = { readonly day: string } | { readonly instant: Date };

const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})(?:[Tt](\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)([Zz]|[+-]\d{2}:\d{2}))?$/;

/** An RFC 3339 date or date-time; null for anything else, February 30th included. */
export function parseMoment(text: string): Moment | null {
  // An unencoded `+` in a query arrives as a space; there is only one thing it can have been.
  const match = RFC3339.exec(text.replace(/ (?=\d{2}:\d{2}$)/, '+'));
  if (!match) return null;
  const [, year, month, day, time, offset] = match;
  const date = `${year}-${month}-${day}`;
  const midnight = new Date(`${date}T00:00:00Z`);
  if (year === '0000' || Number.isNaN(midnight.getTime())) return null;
  if (midnight.toISOString().slice(0, 10) !== date) return null;
  if (time === undefined || offset === undefined) return { day: date };
  const instant = new Date(`${date}T${time}${offset.toUpperCase()}`);
  return Number.isNaN(instant.getTime()) ? null : { instant };
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
      validate: (value) => typeof value === 'string' && parseMoment(value) !== null,
      defaultMessage: () =>
        '$property must be a date such as 2026-11-01 or a date-time such as 2026-11-01T00:00:00Z',
    },
  });
