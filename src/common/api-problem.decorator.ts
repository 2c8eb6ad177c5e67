/** A failure a route may answer with, as its documentation shows it. */
export interface DocumentedFailure {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

const FAILURES = 'documented_failures';

/**
 * Documents a failure of a route or of all routes of a controller. The document gives it the envelope that its path
 * answers with; several failures may share a status.
 */
export const ApiProblem =
  (status: number, code: string, message: string): MethodDecorator & ClassDecorator =>
  (target: object, _key?: string | symbol, descriptor?: { value?: unknown }): void => {
    const owner = (descriptor?.value ?? target) as object;
    const later = (Reflect.getOwnMetadata(FAILURES, owner) ?? []) as DocumentedFailure[];
    Reflect.defineMetadata(FAILURES, [{ status, code, message }, ...later], owner);
  };

/** The same for the two token routes, which answer as RFC 6749 section 5.2 says. */
export const ApiOAuthError: (status: number, error: string, description: string) => MethodDecorator =
  ApiProblem;

export function documentedFailures(...owners: object[]): DocumentedFailure[] {
  return owners.flatMap((owner) => (Reflect.getOwnMetadata(FAILURES, owner) ?? []) as DocumentedFailure[]);
}
