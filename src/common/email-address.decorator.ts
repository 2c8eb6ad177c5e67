import { isEmail, ValidateBy } from 'class-validator';

const MAX_LENGTH = 254;
/** `isEmail` throws at half a surrogate pair, and takes characters that nobody sees. */
const UNSEEN = /\p{C}/u;

/** An e-mail address; nothing is sent to it, so none has to exist. */
export const IsEmailAddress = (): PropertyDecorator =>
  ValidateBy({
    name: 'isEmailAddress',
    validator: {
      validate: (value) =>
        typeof value === 'string' && value.length <= MAX_LENGTH && !UNSEEN.test(value) && isEmail(value),
      defaultMessage: () => '$property must be an e-mail address such as ada@example.com',
    },
  });
