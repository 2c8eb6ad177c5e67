import { ValidateBy } from 'class-validator';

/** One sentence, whatever is wrong: what is missing, or a text, is first of all no number. */
export const IsWholeNumber = (min: number, max: number): PropertyDecorator =>
  ValidateBy({
    name: 'isWholeNumber',
    validator: {
      validate: (value) => Number.isInteger(value) && (value as number) >= min && (value as number) <= max,
      defaultMessage: () => `$property must be a whole number from ${min} to ${max}`,
    },
  });
