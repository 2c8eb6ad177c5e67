import type { EndpointName } from '../endpoints';
import { Check, optional } from './field-checks';

/**
 * What happens to one field of a request body on its way to vLLM:
 * forward: its bytes go through (after its check); drop: left out, as vLLM itself ignores it or it would reach into
 * other users' work; refuse: 400, because dropping it silently would change what the client asked for;
 * own: the gateway writes it itself (proxied-call.ts).
 */
export interface FieldRule {
  readonly action: 'forward' | 'drop' | 'refuse' | 'own';
  readonly check?: Check;
  /** refuse: the sentence the client reads. */
  readonly because?: string;
  /** Only on this endpoint; elsewhere the field is dropped. */
  readonly only?: EndpointName;
}

export const forward = (check?: Check, only?: EndpointName): FieldRule => ({
  action: 'forward',
  ...(check ? { check: optional(check) } : {}),
  ...(only ? { only } : {}),
});
export const required = (check: Check, only?: EndpointName): FieldRule => ({
  action: 'forward',
  check,
  ...(only ? { only } : {}),
});
export const own = (check?: Check): FieldRule => ({
  action: 'own',
  ...(check ? { check: optional(check) } : {}),
});
export const drop: FieldRule = { action: 'drop' };
export const refuse = (because: string): FieldRule => ({ action: 'refuse', because });
