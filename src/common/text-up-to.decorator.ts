import { ValidateBy } from 'class-validator';

/** A text that is looked up and never shown, so that any character will do. */
export const IsTextUpTo = (max: number): PropertyDecorator =>
  ValidateBy({
    name: 'isTextUpTo',
    validator: {
      validate: (value) => typeof value === 'string' && value.length <= max,
      defaultMessage: () => `$property must be a text of at most ${max} characters`,
    },
  });
