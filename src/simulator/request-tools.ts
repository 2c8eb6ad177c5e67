import { ApiError } from './api-error';
import { optionalList } from './lax-values';

export interface OfferedTools {
  /** As they were given; undefined when there were none. */
  readonly list: unknown[] | undefined;
  readonly names: readonly string[];
  /** 'required' and a name force a call; a name is answered as if it were no call at all: finish reason stop. */
  readonly choice: 'auto' | 'none' | 'required' | { readonly name: string };
}

export const NO_TOOLS: OfferedTools = { list: undefined, names: [], choice: 'none' };

/** @throws ApiError */
export function readTools(body: Readonly<Record<string, unknown>>): OfferedTools {
  const list = optionalList(body.tools, 'body.tools');
  if (list?.length === 0)
    throw ApiError.badRequest(
      'tools',
      '`tools` must not be an empty array. Either provide at least one tool or omit the field entirely.',
    );
  const names = (list ?? []).map(nameOf);
  const choice = body.tool_choice ?? 'auto';
  if (!list) {
    if (body.tool_choice !== undefined && body.tool_choice !== null && choice !== 'none')
      throw ApiError.badRequest('tool_choice', 'When using `tool_choice`, `tools` must be set.');
    return NO_TOOLS;
  }
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { list, names, choice };
  return { list, names, choice: { name: namedTool(choice, names) } };
}

function nameOf(tool: unknown, index: number): string {
  const { function: described } = (tool ?? {}) as { function?: { name?: unknown } };
  if (typeof described?.name === 'string') return described.name;
  const missing = { kind: 'missing', text: 'Field required', input: described ?? tool };
  throw ApiError.validation({
    ...missing,
    at: `body.tools.${index}.function${described ? '.name' : ''}`,
  });
}

function namedTool(choice: unknown, names: readonly string[]): string {
  if (typeof choice !== 'object')
    throw ApiError.badRequest(
      'tool_choice',
      `Invalid value for \`tool_choice\`: ${String(choice)}! Only named tools, "none", "auto" or "required" are supported.`,
    );
  const name = (choice as { function?: { name?: unknown } } | null)?.function?.name;
  if (name === undefined)
    throw ApiError.badRequest(
      'tool_choice.function',
      'Invalid value for `function`: `None` in `tool_choice`! Correct usage: `{"type": "function", "function": {"name": "my_function"}}`',
    );
  if (!names.includes(String(name)))
    throw ApiError.badRequest(
      'tool_choice',
      'The tool specified in `tool_choice` does not match any of the specified `tools`',
    );
  return String(name);
}
