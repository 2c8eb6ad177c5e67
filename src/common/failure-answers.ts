import type { IncomingMessage, ServerResponse } from 'node:http';

/** Answers with a failure in the shape of its route, when Nest's exception filters are no longer in the way. */
export abstract class FailureAnswers {
  abstract answer(failure: unknown, request: IncomingMessage, response: ServerResponse): void;
}
