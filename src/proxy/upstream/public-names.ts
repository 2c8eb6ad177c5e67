/** As vLLM names a model that it was started with from a folder, without --served-model-name. Never one of Hugging Face. */
const isPath = (id: string): boolean => /^(\.{0,2}\/|~|[A-Za-z]:[\\/])/.test(id);

/** In the cache of Hugging Face's own programs, whose last segment is a hash. */
const CACHED = /[\\/]models--([^\\/]+?)--([^\\/]+)[\\/]snapshots[\\/][^\\/]+[\\/]*$/;

/**
 * What clients call those served models whose names are paths of the server, which are nobody's business: the last segment,
 * with as many of those before it as it takes to be the name of no other.
 * @param taken the names of aliases, with what they stand for
 */
export function publicNames(
  served: readonly string[],
  taken: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const possible = new Map(served.filter(isPath).map((path) => [path, candidates(path)]));
  const wishes = new Map<string, number>();
  for (const name of [...possible.values()].flat()) wishes.set(name, (wishes.get(name) ?? 0) + 1);
  const own = new Set(served);
  const names = new Map<string, string>();
  const isFree = (name: string, path: string): boolean =>
    (taken.get(name) ?? path) === path && !own.has(name) && wishes.get(name) === 1;
  const given = new Set<string>();
  for (const [path, wished] of possible) {
    let name = wished.find((one) => isFree(one, path)) ?? `local/${wished.at(-1) ?? 'model'}`;
    for (let number = 2; given.has(name); number += 1) name = `${name.replace(/~\d+$/, '')}~${number}`;
    names.set(path, name);
    given.add(name);
  }
  return names;
}

/** The shortest first. */
function candidates(path: string): string[] {
  const [, owner, model] = CACHED.exec(path) ?? [];
  const cached = owner === undefined ? [] : [`${owner}/${model}`];
  const segments = path.split(/[\\/]+/).filter((segment) => !/^(|\.{1,2}|~|[A-Za-z]:)$/.test(segment));
  return [...cached, ...segments.map((_, index) => segments.slice(-1 - index).join('/'))];
}
