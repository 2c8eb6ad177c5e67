import { ValidateBy } from 'class-validator';

/** null, or a whole number of tokens that JSON can carry without loss. A missing value is a mistake, not "none". */
export const IsTokenAmount = (): PropertyDecorator =>
  ValidateBy({
    name: 'isTokenAmount',
    validator: {
      validate: (value) => value === null || (Number.isSafeInteger(value) && (value as number) >= 0),
      defaultMessage: () =>
        `$property must be a whole number of tokens from 0 to ${Number.MAX_SAFE_INTEGER}, or null for no limit`,
    },
  });
