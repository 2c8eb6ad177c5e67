import { ApiException } from '../common/api.exception';

const RETRY_AFTER_SECONDS = 2;

/** Identity cannot be decided without the database: neither "no" nor "yes" would be true, so the answer is 503. */
export async function orUnavailable<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw new ApiException({
      status: 503,
      code: 'database_unavailable',
      message: 'The account database cannot be reached at the moment; please repeat the request shortly.',
      headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
      cause,
    });
  }
}
