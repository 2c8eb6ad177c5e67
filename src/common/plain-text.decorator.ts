import { ValidateBy, ValidationOptions } from 'class-validator';

/** With what turns the direction of all that follows, beyond the text itself: beside it nothing reads as it is. */
const CONTROL_OR_LONE_SURROGATE = /[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]/u;

/** A short text for people: a string of 1 to `max` characters without control characters or broken Unicode. */
export const IsPlainText = (max: number, options?: ValidationOptions): PropertyDecorator =>
  ValidateBy(
    {
      name: 'isPlainText',
      validator: {
        validate: (value) => isPlainText(value, max),
        defaultMessage: () => `$property must be a text of 1 to ${max} characters without control characters`,
      },
    },
    options,
  );

function isPlainText(value: unknown, max: number): boolean {
  if (typeof value !== 'string' || value.trim() === '' || value.length > 2 * max) return false;
  return [...value].length <= max && !CONTROL_OR_LONE_SURROGATE.test(value);
}
