import { ValidateBy } from 'class-validator';
import { TIME_AHEAD } from '../../common/time-ahead';
import { parseInstant } from '../moment';

const LONGEST_RAISE_MS = 366 * 86_400_000;

export const RAISE_END = `until must be a time in the next 366 days, with its offset, such as ${TIME_AHEAD}`;

/** When a temporary raise ends; null when that is no time, or not one that may be chosen. */
export function raiseEnd(until: unknown): Date | null {
  const end = typeof until === 'string' ? parseInstant(until) : null;
  const ahead = end ? end.getTime() - Date.now() : 0;
  return ahead > 0 && ahead <= LONGEST_RAISE_MS ? end : null;
}

export const IsRaiseEnd = (): PropertyDecorator =>
  ValidateBy({
    name: 'isRaiseEnd',
    validator: { validate: (value) => raiseEnd(value) !== null, defaultMessage: () => RAISE_END },
  });
