import { isISO8601, ValidateBy } from 'class-validator';
import { LAST_INSTANT } from '../../../common/last-instant';
import { TIME_AHEAD } from '../../../common/time-ahead';

const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;

export const EXPIRY = `expires_at must be a time in the future, up to the year 9999, with its offset, such as ${TIME_AHEAD}`;

/** An instant to come, with its offset. */
export const IsExpiry = (): PropertyDecorator =>
  ValidateBy({
    name: 'isExpiry',
    validator: {
      validate: (value) => {
        if (typeof value !== 'string' || !TIMESTAMP.test(value) || !isISO8601(value, { strict: true }))
          return false;
        const instant = Date.parse(value);
        return instant > Date.now() && instant <= Date.parse(LAST_INSTANT);
      },
      defaultMessage: () => EXPIRY,
    },
  });
