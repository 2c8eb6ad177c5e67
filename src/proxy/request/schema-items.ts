import type { Check } from './field-checks';

/**
 * The most items that the arrays of a schema may ask for, all together. One of vLLM's two compilers of grammars makes
 * a node of about a kilobyte for each, in the process that serves everybody: {"maxItems":1e9} ends it.
 */
const MOST_ITEMS = 100_000;
const BOUNDS: ReadonlySet<string> = new Set(['minItems', 'maxItems']);

export const fewItems: Check = (value) =>
  itemsOf(value) <= MOST_ITEMS ? null : `must not ask for more than ${MOST_ITEMS} items in its arrays`;

/** The same where schemas may be given as text that holds JSON. */
export const fewItemsAlsoInTexts: Check = (value) => fewItems(Object.values(value as object).map(parsed));

/** The greater bound of each array, summed. */
function itemsOf(value: unknown): number {
  let items = 0;
  // No recursion: a text may nest deeper than bodies do.
  const toVisit = [value];
  while (toVisit.length > 0) {
    const next = toVisit.pop();
    if (typeof next !== 'object' || next === null) continue;
    let bound = 0;
    for (const [key, child] of Object.entries(next)) {
      if (typeof child === 'object') toVisit.push(child);
      else if (typeof child === 'number' && BOUNDS.has(key)) bound = Math.max(bound, child);
    }
    items += bound;
  }
  return items;
}

function parsed(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return null;
  }
}
