import type { Check } from './field-checks';

/**
 * The most items that the arrays of a schema may ask for, all together. One of vLLM's two compilers of grammars makes
 * a node of about a kilobyte for each, in the process that serves everybody: {"maxItems":1e9} ends it.
 */
const MOST_ITEMS = 100_000;
/**
 * The same for what patterns repeat. The other compiler takes time with the square of it, and serves nobody meanwhile:
 * 0.3 s for a{1,2000}, 26 s for a{1,20000}.
 */
const MOST_REPEATS = 2_000;
const TOO_MANY_REPEATS = `must not repeat more than ${MOST_REPEATS} times in its patterns; use maxLength for the length of a text`;
const BOUNDS: ReadonlySet<string> = new Set(['minItems', 'maxItems']);
/** a{5}, a{5,} or a{5,9}. */
const QUANTIFIERS = /\{(\d+)(?:,(\d*))?\}/g;

/** Of a schema that vLLM makes a grammar of, wherever it stands in the value. */
export const affordable: Check = (value) => {
  const { items, repeats } = costOf(value);
  if (items > MOST_ITEMS) return `must not ask for more than ${MOST_ITEMS} items in its arrays`;
  return repeats > MOST_REPEATS ? TOO_MANY_REPEATS : null;
};

/** The same where schemas may be given as text that holds JSON. */
export const affordableAlsoInTexts: Check = (value) => affordable(Object.values(value as object).map(parsed));

/** Of tools only the strict ones get a grammar with their patterns, and arrays cost them nothing. */
export const affordableWhenStrict: Check = (tool) => {
  const { function: described } = tool as { function?: { strict?: unknown } | null };
  return described?.strict === true && costOf(described).repeats > MOST_REPEATS ? TOO_MANY_REPEATS : null;
};

/** The greater bound of each array and of each quantifier, summed. */
function costOf(value: unknown): { items: number; repeats: number } {
  const cost = { items: 0, repeats: 0 };
  // No recursion: a text may nest deeper than bodies do.
  const toVisit = [value];
  while (toVisit.length > 0) {
    const next = toVisit.pop();
    if (typeof next !== 'object' || next === null) continue;
    let bound = 0;
    for (const [key, child] of Object.entries(next)) {
      if (typeof child === 'object') toVisit.push(child);
      else if (typeof child === 'number' && BOUNDS.has(key)) bound = Math.max(bound, child);
      else if (key === 'pattern' && typeof child === 'string') cost.repeats += repeatsOf(child);
    }
    cost.items += bound;
  }
  return cost;
}

function repeatsOf(pattern: string): number {
  let repeats = 0;
  for (const [, least, most] of pattern.matchAll(QUANTIFIERS))
    repeats += Math.max(Number(least), Number(most ?? 0));
  return repeats;
}

function parsed(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return null;
  }
}
