import type { ApiException } from '../../common/api.exception';
import { toLatin1, underPublicName } from './model-name';
import type { StreamExpectations } from './stream-meter';

type Names = Pick<StreamExpectations, 'servedModel' | 'publicModel'>;

/** The event that ends every stream, whole or not. */
export const DONE = 'data: [DONE]';

/** What a stream that was cut says before [DONE], without its blank line, as vLLM's does when it fails: never a clean end, never an empty one. */
export function errorFrame(message: string, code: number, type = 'upstream_error'): string {
  const error = { message, type, param: null, code };
  return `data: ${toLatin1(JSON.stringify({ error }))}`;
}

/** The same for what the gateway refuses: 401 and 403, of which no client takes the blame to vLLM. */
export function failureFrame(failure: ApiException): string {
  const status = failure.getStatus();
  return errorFrame(failure.message, status, status === 401 ? 'authentication_error' : 'permission_error');
}

/**
 * An error event of vLLM without what it may tell of its inside: messages of server faults hold addresses and
 * stacks; those of a client's fault are what the client needs, under the name it knows the model by.
 * @param frame latin1, one character a byte
 */
export function sanitiseErrorFrame(frame: string, { servedModel, publicModel }: Names): string {
  try {
    const text = Buffer.from(frame.slice('data: '.length), 'latin1').toString('utf8');
    const { error } = JSON.parse(text) as { error: { code?: unknown; type?: unknown } };
    if (typeof error.code === 'number' && error.code < 500)
      return `data: ${toLatin1(underPublicName(text, servedModel, publicModel))}`;
    const safe = {
      message: 'The model server failed on this request.',
      type: error.type,
      param: null,
      code: error.code,
    };
    return `data: ${toLatin1(JSON.stringify({ error: safe }))}`;
  } catch {
    return `data: ${JSON.stringify({ error: { message: 'The model server failed.', type: 'upstream_error', param: null, code: 502 } })}`;
  }
}
