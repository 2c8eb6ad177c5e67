import { EndpointName, isPooled } from '../endpoints';
import {
  atMostKeys,
  boolean,
  either,
  every,
  int64,
  integer,
  jsonSize,
  list,
  messages,
  nonEmpty,
  number,
  object,
  objectWithKeys,
  prompt,
  streamOptions,
  string,
  tokenizable,
} from './field-checks';
import { drop, FieldRule, forward, own, refuse, required } from './field-rules';
import { POOLED_POLICY } from './pooled-policy';
import { affordable, affordableOutputs } from './schema-cost';

const MAX_TOKENS = 100_000_000;
const REMOVED = 'was removed from vLLM and would be ignored; use response_format or structured_outputs.';

/** Keys of chat_template_kwargs that known templates read. */
const TEMPLATE_KWARGS = [
  'enable_thinking',
  'thinking',
  'thinking_budget',
  'preserve_thinking',
  'clear_thinking',
  'reasoning_effort',
  'add_vision_id',
  'documents',
  'xml_tools',
  'tools_in_user_message',
  'date_string',
] as const;

/** Every field of generations that the gateway knows. A field that is not here is dropped: vLLM would ignore it too. */
export const FIELD_POLICY: ReadonlyMap<string, FieldRule> = new Map<string, FieldRule>([
  // What the gateway decides or meters by.
  ['model', own(string(256))],
  ['stream', own(boolean)],
  ['stream_options', own(streamOptions)],
  ['max_tokens', own(integer(0, MAX_TOKENS))],
  ['max_completion_tokens', own(integer(1, MAX_TOKENS))],
  ['n', forward(integer(1, 8))],
  ['cache_salt', own()],

  ['messages', required(messages, 'chat_completions')],
  ['prompt', required(prompt, 'completions')],

  // Sampling.
  ...['temperature', 'top_p', 'min_p', 'frequency_penalty', 'presence_penalty', 'repetition_penalty'].map(
    (name) => [name, forward(number)] as const,
  ),
  ['top_k', forward(int64)],
  ['seed', forward(int64)],
  ['stop', forward(either(tokenizable(1_024), list(32, tokenizable(1_024))))],
  ['stop_token_ids', forward(list(256))],
  ['logit_bias', forward(atMostKeys(1_024))],
  ['bad_words', forward(list(128, tokenizable(256)))],
  ['allowed_token_ids', forward(list(10_000))],
  ['min_tokens', forward(integer(0, MAX_TOKENS))],
  ['ignore_eos', forward(boolean)],
  ['include_stop_str_in_output', forward(boolean)],
  ['skip_special_tokens', forward(boolean)],
  ['spaces_between_special_tokens', forward(boolean)],
  ['truncate_prompt_tokens', forward(integer(-1, MAX_TOKENS))],
  ['truncation_side', forward(string(16))],

  // What comes back.
  ['logprobs', forward(either(boolean, integer(0, 20)))],
  ['top_logprobs', forward(integer(0, 20), 'chat_completions')],
  ['prompt_logprobs', forward(integer(0, 20))],
  ['return_token_ids', forward(boolean)],
  ['return_tokens_as_token_ids', forward(boolean)],
  ['echo', forward(boolean)],
  ['suffix', forward(string(65_536), 'completions')],
  ['stream_interval', forward(integer(1, 64))],

  // Structure and tools.
  ['response_format', forward(every(jsonSize(65_536), affordable))],
  ['structured_outputs', forward(every(object, jsonSize(65_536), affordableOutputs))],
  ['tools', forward(nonEmpty(list(1_024, object)), 'chat_completions')],
  ['tool_choice', forward(either(string(64), object), 'chat_completions')],
  ['parallel_tool_calls', forward(boolean, 'chat_completions')],

  // Reasoning and the chat template.
  ['reasoning_effort', forward(string(32), 'chat_completions')],
  ['thinking_token_budget', forward(integer(-1, MAX_TOKENS))],
  ['include_reasoning', forward(boolean, 'chat_completions')],
  ['chat_template_kwargs', forward(objectWithKeys(TEMPLATE_KWARGS), 'chat_completions')],
  ['documents', forward(list(1_024, object), 'chat_completions')],
  ['add_generation_prompt', forward(boolean, 'chat_completions')],
  ['continue_final_message', forward(boolean, 'chat_completions')],
  ['add_special_tokens', forward(boolean)],

  // Refused: they would do something else than asked, or cost what no usage count shows.
  ['chat_template', refuse('is not accepted: the model is served with its own template.')],
  ['use_beam_search', refuse('is not accepted: its cost does not show in the token count.')],
  ['best_of', refuse('is not accepted: its cost does not show in the token count; use n.')],
  ['prompt_embeds', refuse('is not accepted; send the prompt as text or token ids.')],
  ['logits_processors', refuse('is not accepted.')],
  ['return_prompt_text', refuse('is not accepted: it would show the template of the server.')],
  ['functions', refuse('is the old form of tools; send tools.')],
  ['function_call', refuse('is the old form of tool_choice; send tool_choice.')],
  ...['guided_json', 'guided_regex', 'guided_choice', 'guided_grammar', 'guided_decoding_backend'].map(
    (name) => [name, refuse(REMOVED)] as const,
  ),

  // Dropped: scheduling, routing and server resources that belong to everyone.
  ...[
    'priority',
    'request_id',
    'session_id',
    'kv_transfer_params',
    'ec_transfer_params',
    'vllm_xargs',
    'mm_processor_kwargs',
    'media_io_kwargs',
    'length_penalty',
    'early_stopping',
    'logprob_token_ids',
    'user',
    'metadata',
    'store',
    'service_tier',
    'safety_identifier',
    'prompt_cache_key',
    'verbosity',
    'modalities',
    'prediction',
    'web_search_options',
  ].map((name) => [name, drop] as const),
]);

/** The rule of a field on an endpoint. */
export function ruleFor(field: string, endpoint: EndpointName): FieldRule {
  if (isPooled(endpoint)) return POOLED_POLICY[endpoint].get(field) ?? drop;
  const rule = FIELD_POLICY.get(field);
  if (!rule || (rule.only && rule.only !== endpoint)) return drop;
  return rule;
}
