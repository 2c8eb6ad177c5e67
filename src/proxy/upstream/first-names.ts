import type { ServedModel } from './vllm-api.service';

interface Serving {
  /** null: it has never said. */
  readonly served: readonly ServedModel[] | null;
}

/**
 * The first name of each served one that is of the same model. vLLM lists a card for each of its --served-model-name, all of
 * the one model it has; adapters, which name it as their parent, are models of their own.
 */
export function firstNamesOf(servers: readonly Serving[]): ReadonlyMap<string, string> {
  const firsts = new Map<string, string>();
  for (const { served } of servers) {
    for (const ids of alikeIn(served ?? [])) {
      const known = new Set(ids.flatMap((id) => firsts.get(id) ?? []));
      const [first = ids[0] as string] = known;
      for (const [id, other] of firsts) if (known.has(other)) firsts.set(id, first);
      for (const id of ids) firsts.set(id, first);
    }
  }
  return firsts;
}

/** The names that one server has for each model. */
function alikeIn(served: readonly ServedModel[]): string[][] {
  const names = new Map<string, string[]>();
  for (const { id, root, parent } of served) {
    const model = parent === null ? `model ${root}` : `adapter ${id}`;
    names.set(model, [...(names.get(model) ?? []), id]);
  }
  return [...names.values()];
}
