import type { MetricsSnapshot } from '../../observability/merged-metrics';

/** What a worker starts with: the primary has filled in and checked every setting. */
export interface Handover {
  readonly settings: Readonly<Record<string, unknown>>;
  /** The base URL of the simulator when it stands in for vLLM. */
  readonly simulator: string | null;
  readonly embeddedDatabase: boolean;
}

export type ToWorker =
  | { readonly kind: 'start'; readonly handover: Handover }
  | { readonly kind: 'stop'; readonly patient: boolean }
  | { readonly kind: 'metrics'; readonly question: number };

export type FromWorker =
  | { readonly kind: 'listening'; readonly port: number }
  /** Again and again, as long as its event loop turns. */
  | { readonly kind: 'alive' }
  /** It cannot start, and knows why. */
  | { readonly kind: 'failed'; readonly sentence: string; readonly mayPass: boolean }
  /** `question` is null for the last metrics of a worker that ends. */
  | { readonly kind: 'metrics'; readonly question: number | null; readonly snapshot: MetricsSnapshot };
