import { randomBytes } from 'node:crypto';
import type { Step } from './answer';
import type { GenerationRequest } from './generation-request';
import type { ScriptedTool } from './script';
import { tokenize } from './tokenizer';

/** The tools one answer calls: those of the script that are offered, or the one that tool_choice forces. */
export function toolsToCall(request: GenerationRequest, promptIndex: number): readonly ScriptedTool[] {
  const { names, choice } = request.tools;
  const { tool, toolCalls } = request.script;
  if (choice === 'none') return [];
  const scripted = (toolCalls ?? (tool ? [tool] : [])).filter(({ name }) => names.includes(name));
  if (choice === 'auto') return request.prompts[promptIndex]?.answersTool ? [] : scripted;
  if (choice === 'required')
    return scripted.length > 0 ? scripted : [{ name: names[0] ?? '', arguments: {} }];
  return [scripted.find(({ name }) => name === choice.name) ?? { name: choice.name, arguments: {} }];
}

/** A named tool is answered with the finish reason of a plain text. */
export function toolFinishReason(request: GenerationRequest): string {
  return typeof request.tools.choice === 'object' ? 'stop' : 'tool_calls';
}

/** The markup a model writes around a call. Clients never see it, but its tokens are counted. */
const BEFORE_NAME = ['<tool_call>', '\n', '{"', 'name', '":', ' "'];
const BEFORE_ARGUMENTS = ['",', ' "', 'arguments', '": '];
const END = ['}\n</tool_call>'];

export function toolSteps(tool: ScriptedTool, index: number): Step[] {
  const json = typeof tool.arguments === 'string' ? tool.arguments : JSON.stringify(tool.arguments);
  const id = `chatcmpl-tool-${randomBytes(8).toString('hex')}`;
  return [
    markup(BEFORE_NAME),
    { kind: 'tool', text: '', tokens: tokenize(tool.name), tool: { index, id, name: tool.name } },
    markup(BEFORE_ARGUMENTS),
    ...argumentSteps(json, index, tool.heldBack ?? false),
    markup(END),
  ];
}

function argumentSteps(json: string, index: number, heldBack: boolean): Step[] {
  const tokens = tokenize(json);
  const isShown = (at: number) => !heldBack || at === tokens.length - 1;
  return tokens.map((token, at) =>
    isShown(at)
      ? { kind: 'tool', text: heldBack ? json : token, tokens: [token], tool: { index } }
      : { kind: 'silent', text: '', tokens: [token] },
  );
}

function markup(tokens: readonly string[]): Step {
  return { kind: 'silent', text: '', tokens };
}
