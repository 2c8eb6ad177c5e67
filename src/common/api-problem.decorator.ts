import { ApiResponse } from '@nestjs/swagger';

/** Documents a failure of a management route with an example of its problem details. */
export const ApiProblem = (status: number, code: string, detail: string): MethodDecorator & ClassDecorator =>
  ApiResponse({
    status,
    description: detail,
    content: {
      'application/problem+json': {
        schema: { type: 'object' },
        example: { type: `/docs#errors-${code}`, title: code, status, detail, code },
      },
    },
  });

/** Documents a failure of the two token routes, which answer as RFC 6749 section 5.2 says. */
export const ApiOAuthError = (status: number, error: string, description: string): MethodDecorator =>
  ApiResponse({
    status,
    description,
    content: {
      'application/json': {
        schema: { type: 'object' },
        example: { error, error_description: description },
      },
    },
  });
