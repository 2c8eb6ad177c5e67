import { applyDecorators } from '@nestjs/common';
import { IsISO8601, ValidateBy } from 'class-validator';
import { TIME_AHEAD } from '../../../common/time-ahead';

const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;

const IsInFuture = (): PropertyDecorator =>
  ValidateBy({
    name: 'isInFuture',
    validator: {
      validate: (value) =>
        typeof value === 'string' && TIMESTAMP.test(value) && Date.parse(value) > Date.now(),
      defaultMessage: () => `$property must be a time in the future such as ${TIME_AHEAD}`,
    },
  });

/** An instant to come, with its offset. */
export const IsExpiry = (): PropertyDecorator =>
  applyDecorators(
    IsISO8601({ strict: true }, { message: `$property must be a time such as ${TIME_AHEAD}` }),
    IsInFuture(),
  );
