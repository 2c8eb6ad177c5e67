import type { ServedModel } from './vllm-api.service';

interface Serving {
  /** null: it has never said. */
  readonly served: readonly ServedModel[] | null;
}

/** A model as all servers together serve it. */
export interface OfferedModel<S> {
  readonly id: string;
  readonly root: string;
  readonly parent: string | null;
  /** The smallest that is told: any of its servers may get a request. */
  readonly window: number | null;
  /** At least one. */
  readonly servers: readonly S[];
}

/** What several servers serve: one model where they call it the same. In the order in which they say it. */
export function offeredBy<S extends Serving>(servers: readonly S[]): OfferedModel<S>[] {
  const offered = new Map<string, OfferedModel<S>>();
  for (const server of servers) {
    for (const model of server.served ?? []) {
      const window = windowOf(model, server.served ?? []);
      const known = offered.get(model.id);
      // Twice in one list is once.
      if (known?.servers.includes(server)) continue;
      const { id, root, parent } = known ?? model;
      offered.set(id, {
        id,
        root,
        parent,
        window: known ? smallest(known.window, window) : window,
        servers: [...(known?.servers ?? []), server],
      });
    }
  }
  return [...offered.values()];
}

/** A LoRA adapter has no window of its own: its parent's holds. */
function windowOf(model: ServedModel, served: readonly ServedModel[]): number | null {
  return model.maxModelLen ?? served.find((other) => other.id === model.parent)?.maxModelLen ?? null;
}

const smallest = (one: number | null, other: number | null): number | null =>
  one === null || other === null ? (one ?? other) : Math.min(one, other);
