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
  const paths = served.filter(isPath);
  const names = new Map<string, string>();
  const isFree = (name: string, path: string): boolean =>
    (taken.get(name) ?? path) === path &&
    !served.includes(name) &&
    paths.every((other) => other === path || !candidates(other).includes(name));
  for (const path of paths) {
    const possible = candidates(path);
    names.set(path, possible.find((name) => isFree(name, path)) ?? `local/${possible.at(-1) ?? 'model'}`);
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
