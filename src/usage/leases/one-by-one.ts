import { isFaultOfOneItem } from '../../database/hot-statements';

/**
 * Settles each of them in a transaction of its own, so that those that can be settled do not wait for one that cannot.
 * @param tell of the latter
 * @throws Error when PostgreSQL fails for another reason than the one it was asked to settle
 */
export async function oneByOne(
  requestIds: readonly string[],
  settle: (requestId: string) => Promise<unknown>,
  tell: (requestId: string, error: unknown) => void,
): Promise<void> {
  for (const requestId of requestIds) {
    try {
      await settle(requestId);
    } catch (error) {
      if (!isFaultOfOneItem(error)) throw error;
      tell(requestId, error);
    }
  }
}
