import type { Check } from './field-checks';

/**
 * The most items that the arrays of a schema may ask for, all together. One of vLLM's two compilers of grammars makes
 * a node of about a kilobyte for each, in the process that serves everybody: {"maxItems":1e9} ends it.
 */
const MOST_ITEMS = 100_000;
/**
 * The same for what patterns repeat. The other compiler (xgrammar 0.2.9) takes time with the square of it, and serves nobody
 * meanwhile: 0.3 s for a{1,2000}, 26 s for a{1,20000}.
 */
const MOST_REPEATS = 2_000;
/** What may be there or not costs more: [a-z]? takes 0.6 s written 500 times, 9 s written 2,000 times. */
const OPTIONAL = 4;
const TOO_MANY_REPEATS = `must not repeat, or have optional, more than ${MOST_REPEATS} times in its patterns and grammars; use maxLength for the length of a text`;
/**
 * Regular expressions and grammars by themselves, where repeats cost nothing: a? takes 0.2 s written 2,000 times, 17 s and
 * 4 GB written 32,000 times.
 */
const TEXTS: ReadonlySet<string> = new Set(['regex', 'grammar']);
const BOUNDS: ReadonlySet<string> = new Set(['minItems', 'maxItems']);
/** a{5}, a{5,} or a{5,9}; a? and a*; a+; and what an empty alternative makes optional: (a|), (|a), a||b. */
const QUANTIFIERS = /\{(\d+)(?:,(\d*))?\}|[?*]|\+|\|(?=[)|]|$)|(?:^|\((?:\?:)?)\|/g;

/** Of a schema that vLLM makes a grammar of, wherever it stands in the value. */
export const affordable: Check = (value) => {
  const { items, repeats } = costOf(value);
  if (items > MOST_ITEMS) return `must not ask for more than ${MOST_ITEMS} items in its arrays`;
  return repeats > MOST_REPEATS ? TOO_MANY_REPEATS : null;
};

/** Of structured_outputs: schemas may be given as text that holds JSON, beside regular expressions and grammars. */
export const affordableOutputs: Check = (value) => {
  const given = Object.entries(value as object).map(([key, text]) => [
    key,
    TEXTS.has(key) ? text : parsed(text),
  ]);
  return affordable(Object.fromEntries(given));
};

/** Of tools that are strict: arrays cost them nothing. */
export const affordableWhenStrict: Check = (tools) =>
  costOf(tools).repeats > MOST_REPEATS ? TOO_MANY_REPEATS : null;

/** The greater bound of each array and of each quantifier, summed; what is optional counts several times. */
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
      else if (TEXTS.has(key) && typeof child === 'string') cost.repeats += optionalsOf(child);
      if (key === 'patternProperties' && typeof child === 'object')
        for (const pattern in child) cost.repeats += repeatsOf(pattern);
    }
    cost.items += bound;
  }
  return cost;
}

function repeatsOf(pattern: string): number {
  let repeats = 0;
  for (const [quantifier, least = 0, most = 0] of pattern.matchAll(QUANTIFIERS))
    repeats += quantifier === '+' ? 1 : Math.max(Number(least), Number(most)) + OPTIONAL;
  return repeats;
}

function optionalsOf(text: string): number {
  let optionals = 0;
  for (const [quantifier] of text.matchAll(QUANTIFIERS)) if (!quantifier.startsWith('{')) optionals += 1;
  return optionals;
}

function parsed(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return null;
  }
}
