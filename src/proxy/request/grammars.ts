import { createHash } from 'node:crypto';
import { invalidField } from './field-checks';
import type { CheckedBody } from './proxied-call';
import { affordable, affordableWhenStrict } from './schema-cost';

type Fields = CheckedBody['fields'];

/** Forms that are the same for everybody: there is nothing new to compile. */
const FORMS_WITHOUT_SCHEMA: readonly unknown[] = ['text', 'json_object'];

interface Tool {
  readonly function?: {
    readonly name?: unknown;
    readonly parameters?: unknown;
    readonly strict?: unknown;
  } | null;
}

/**
 * Names the grammar that vLLM compiles for a request by the bytes it is made from: two that look alike are the same
 * grammar. Null: it compiles none, as for most requests.
 */
export function grammarOf({ endpoint, bytes, members, fields }: CheckedBody): string | null {
  const { response_format: format, structured_outputs: outputs } = fields;
  const tools = endpoint === 'chat_completions' ? constrainingTools(fields) : null;
  const sources: string[] = [];
  if (isGiven(format) && !FORMS_WITHOUT_SCHEMA.includes((format as { type?: unknown }).type))
    sources.push('response_format');
  if (isGiven(outputs)) sources.push('structured_outputs');
  if (sources.length === 0 && tools === null) return null;
  const hash = createHash('sha256');
  for (const { key, valueStart, end } of members) {
    if (sources.includes(key)) hash.update(`${key}:`).update(bytes.subarray(valueStart, end));
  }
  // Descriptions of tools are in no grammar, and may differ from session to session.
  if (tools !== null) hash.update('tools:').update(JSON.stringify(tools.map(signature)));
  return hash.digest('base64');
}

/** @throws ApiException 400 for tools whose grammar would hold up vLLM */
export function refuseCostlyTools(fields: Fields): void {
  const described = constrainingTools(fields)?.map((tool) => tool.function);
  if (described === undefined) return;
  // One that must be called is a form of the answer, as any other; arrays of those that are strict cost nothing.
  const check =
    isGiven(fields.tool_choice) && fields.tool_choice !== 'auto' ? affordable : affordableWhenStrict;
  const fault = check(described);
  if (fault !== null) throw invalidField('tools', `tools ${fault}.`);
}

/** Those of which a grammar is made: the one that must be called, all where one of them must be, or the strict ones. */
function constrainingTools({ tools, tool_choice: choice }: Fields): Tool[] | null {
  if (!Array.isArray(tools) || choice === 'none') return null;
  const offered = tools as Tool[];
  if (choice === 'required') return offered;
  const named = isGiven(choice) ? (choice as Tool).function?.name : undefined;
  const those = offered.filter(({ function: described }) =>
    named === undefined ? described?.strict === true : described?.name === named,
  );
  return those.length > 0 ? those : null;
}

const signature = ({ function: described }: Tool) => [described?.name, described?.parameters];

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;
