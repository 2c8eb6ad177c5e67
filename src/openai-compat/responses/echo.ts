import { isObject } from '../../proxy/request/field-checks';

/**
 * The most of each of these that is repeated, in characters of its JSON: it is held for as long as a stream goes on, and
 * agents send megabytes of it.
 */
export const MOST_REPEATED = 2_048;

/** What a response repeats of its request. */
export interface Echo {
  readonly temperature: unknown;
  readonly top_p: unknown;
  readonly max_output_tokens: unknown;
  readonly parallel_tool_calls: unknown;
  readonly tool_choice: unknown;
  readonly reasoning: { readonly effort: unknown; readonly summary: null };
  /** instructions, metadata, text and tools as JSON: as objects they would take several times as much. */
  readonly large: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** Its values have been checked by the time of an answer. */
export function echoOf(fields: Fields): Echo {
  const { temperature, top_p, max_output_tokens, parallel_tool_calls, tool_choice, reasoning } = fields;
  return {
    temperature: temperature ?? null,
    top_p: top_p ?? null,
    max_output_tokens: max_output_tokens ?? null,
    parallel_tool_calls: parallel_tool_calls ?? true,
    tool_choice: isObject(tool_choice)
      ? { type: 'function', name: tool_choice.name }
      : (tool_choice ?? 'auto'),
    reasoning: { effort: isObject(reasoning) ? (reasoning.effort ?? null) : null, summary: null },
    large: JSON.stringify({
      instructions: isSmall(fields.instructions) ? (fields.instructions ?? null) : null,
      metadata: isMetadata(fields.metadata) && isSmall(fields.metadata) ? fields.metadata : {},
      text: { format: formatOf(fields.text) },
      tools: isSmall(fields.tools) ? toolsOf(fields.tools) : [],
    }),
  };
}

/** As fields of the response. */
export function repeated({ large, ...small }: Echo): object {
  return { ...small, ...(JSON.parse(large) as object) };
}

/** A schema that is too large is an empty one: that its answer has a form is still said. */
function formatOf(text: unknown): object {
  const format = isObject(text) ? text.format : undefined;
  if (!isObject(format)) return { type: 'text' };
  const { type, name, schema, strict, description } = format;
  if (type !== 'json_schema') return { type };
  const whole = { type, name, description, schema, strict: strict ?? null };
  return isSmall(whole)
    ? whole
    : { type, name: String(name).slice(0, LONGEST_NAME), schema: {}, strict: null };
}

const LONGEST_NAME = 64;

/** Those that the model was told of: what only OpenAI runs was left out. */
function toolsOf(tools: unknown): object[] {
  if (!Array.isArray(tools)) return [];
  return tools.filter(isObject).flatMap((tool): object[] => {
    if (tool.type === 'namespace') return [tool];
    return tool.type === 'function' ? [{ parameters: null, strict: null, ...tool }] : [];
  });
}

const isMetadata = (value: unknown): boolean =>
  isObject(value) && Object.values(value).every((one) => typeof one === 'string');

/** Looks at no more of it than it takes to know. */
function isSmall(value: unknown): boolean {
  let left = MOST_REPEATED;
  try {
    const text = JSON.stringify(value, (key, part: unknown) => {
      left -= key.length + (typeof part === 'string' ? part.length : 1);
      if (left < 0) throw new TooLarge();
      return part;
    });
    return text === undefined || text.length <= MOST_REPEATED;
  } catch (error) {
    if (error instanceof TooLarge) return false;
    throw error;
  }
}

class TooLarge extends Error {}
