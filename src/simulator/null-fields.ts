import { ApiError } from './api-error';

type Kind = 'bool' | 'int' | 'list';

const WORDS: Readonly<Record<Kind, string>> = {
  bool: 'Input should be a valid boolean',
  int: 'Input should be a valid integer',
  list: 'Input should be a valid list',
};

const GENERATION: Readonly<Record<string, Kind>> = {
  use_beam_search: 'bool',
  include_stop_str_in_output: 'bool',
  ignore_eos: 'bool',
  min_tokens: 'int',
  spaces_between_special_tokens: 'bool',
  bad_words: 'list',
  add_special_tokens: 'bool',
  priority: 'int',
};
const TEMPLATE: Readonly<Record<string, Kind>> = {
  add_generation_prompt: 'bool',
  continue_final_message: 'bool',
  add_special_tokens: 'bool',
};

/** What has no null in vLLM's forms: everywhere else null means unset. */
const WITHOUT_NULL = {
  chat: { ...GENERATION, ...TEMPLATE, include_reasoning: 'bool', echo: 'bool' },
  completions: { ...GENERATION, n: 'int' },
  tokenize: TEMPLATE,
} as const satisfies Record<string, Readonly<Record<string, Kind>>>;

/** @throws ApiError */
export function refuseNulls(form: keyof typeof WITHOUT_NULL, body: Readonly<Record<string, unknown>>): void {
  for (const [field, kind] of Object.entries<Kind>(WITHOUT_NULL[form])) {
    if (body[field] !== null) continue;
    throw ApiError.validation({
      kind: `${kind}_type`,
      at: `body.${field}`,
      text: WORDS[kind],
      input: null,
    });
  }
}
