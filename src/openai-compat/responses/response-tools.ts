import { invalidField, isObject } from '../../proxy/request/field-checks';

/** What a client calls a tool that it keeps in a namespace. */
export interface ToolName {
  readonly namespace: string;
  readonly name: string;
}

/** By the name that the model knows it by. */
export type ToolNames = ReadonlyMap<string, ToolName>;

export interface ChatTools {
  readonly list: readonly object[];
  readonly names: ToolNames;
}

type Tool = Readonly<Record<string, unknown>>;

/**
 * Clients such as Codex CLI offer these with each request, by themselves and to whatever model; it goes without them. What
 * asks for something in particular (a store of files, a server to be called) is refused.
 */
const LEFT_OUT: ReadonlySet<unknown> = new Set([
  'web_search',
  'web_search_2025_08_26',
  'web_search_preview',
  'web_search_preview_2025_03_11',
  'image_generation',
  'tool_search',
]);

/**
 * A namespace stands before each of its tools: of a long one, a body that is small enough would become a chat that is not.
 * OpenAI takes 128 characters.
 */
const LONGEST_NAME = 256;

/** As vLLM calls it. */
export const flatName = (namespace: string, name: string): string => `${namespace}__${name}`;

/**
 * The functions among the tools of a request, those of namespaces under names of their own.
 * @throws ApiException 400
 */
export function chatTools(tools: unknown): ChatTools {
  const list: object[] = [];
  const names = new Map<string, ToolName>();
  if (tools !== undefined && tools !== null && !Array.isArray(tools))
    throw invalidField('tools', 'tools must be a list of tools.');
  (tools ?? []).forEach((tool: unknown, at: number) => {
    const where = `tools[${at}]`;
    if (!isObject(tool)) throw invalidField(where, `${where} must be an object with a type.`);
    if (tool.type === 'function') list.push(chatTool(where, tool, nameOf(where, tool)));
    else if (tool.type === 'namespace') addNamespace(where, tool, list, names);
    else if (!LEFT_OUT.has(tool.type)) throw notRunHere(where, tool);
  });
  return { list, names };
}

function addNamespace(where: string, space: Tool, list: object[], names: Map<string, ToolName>): void {
  const { tools } = space;
  const namespace = nameOf(where, space);
  if (!Array.isArray(tools))
    throw invalidField(where, `${where} must be a namespace with a name and a list of tools.`);
  tools.forEach((tool: unknown, at) => {
    const here = `${where}.tools[${at}]`;
    if (!isObject(tool) || tool.type !== 'function') throw notRunHere(here, isObject(tool) ? tool : {});
    const name = nameOf(here, tool);
    const flat = flatName(namespace, name);
    names.set(flat, { namespace, name });
    list.push(chatTool(here, tool, flat));
  });
}

function chatTool(where: string, { description, parameters, strict }: Tool, name: string): object {
  if (parameters !== undefined && parameters !== null && !isObject(parameters))
    throw invalidField(where, `${where} must have parameters that are an object.`);
  return {
    type: 'function',
    function: {
      name,
      ...(typeof description === 'string' ? { description } : {}),
      parameters: parameters ?? { type: 'object', properties: {} },
      ...(typeof strict === 'boolean' ? { strict } : {}),
    },
  };
}

function nameOf(where: string, { name }: Tool): string {
  if (typeof name !== 'string') throw invalidField(where, `${where} must have a name, beside its type.`);
  if (name.length <= LONGEST_NAME) return name;
  throw invalidField(where, `${where} must have a name of at most ${LONGEST_NAME} characters.`);
}

const notRunHere = (where: string, { type }: Tool): Error =>
  invalidField(
    where,
    `${where} is of a type that is not run here: ${String(type).slice(0, 64)}. ` +
      'Describe what you run yourself as a tool of type function.',
  );

const CHOICES: ReadonlySet<unknown> = new Set(['auto', 'none', 'required']);

/** @throws ApiException 400 */
export function toolChoice(choice: unknown, { list }: ChatTools): object {
  if (choice === undefined || choice === null) return {};
  const wanted = CHOICES.has(choice) ? choice : namedTool(choice);
  if (list.length > 0) return { tool_choice: wanted };
  if (wanted === 'auto' || wanted === 'none') return {};
  throw invalidField('tool_choice', 'tool_choice asks for a tool, and tools has no function.');
}

function namedTool(choice: unknown): object {
  const { type, name, namespace } = isObject(choice) ? choice : ({} as Tool);
  if (type !== 'function' || typeof name !== 'string')
    throw invalidField(
      'tool_choice',
      'tool_choice must be auto, none, required, or of type function with the name of one of tools.',
    );
  const flat = typeof namespace === 'string' ? flatName(namespace, name) : name;
  return { type: 'function', function: { name: flat } };
}
