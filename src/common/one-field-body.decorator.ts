import type { Type } from '@nestjs/common';
import { ApiBody } from '@nestjs/swagger';

/**
 * Documents the body of a change by an example for each field. The page sends what it shows: an example of all fields would
 * change them all at once, and the first one of all changes nothing, as it takes one press to send it.
 * @param examples a value for each field
 */
export const OneFieldBody = (type: Type, examples: Readonly<Record<string, unknown>>): MethodDecorator =>
  ApiBody({
    type,
    examples: {
      nothing: { value: {} },
      ...Object.fromEntries(
        Object.entries(examples).map(([field, value]) => [field, { value: { [field]: value } }]),
      ),
    },
  });
