/** A failure as vLLM words it: status, type, parameter, message. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    readonly param: string | null,
    message: string,
  ) {
    super(message);
  }

  /** A bad value: the message ends with the parameter's name, and its value when that is known. */
  static badRequest(param: string | null, message: string, value?: unknown): ApiError {
    const suffix =
      param === null ? '' : ` (parameter=${param}${value === undefined ? '' : `, value=${String(value)}`})`;
    return new ApiError(400, 'BadRequestError', param, message + suffix);
  }

  /** What FastAPI says of a body that does not have the right form. */
  static validation(
    ...problems: readonly {
      readonly kind: string;
      readonly at: string;
      readonly text: string;
      readonly input?: unknown;
      /** The limit that was broken, as Python prints it. */
      readonly context?: string;
    }[]
  ): ApiError {
    const lines = problems.map(
      ({ kind, at, text, input, context }) =>
        `  {'type': '${kind}', 'loc': '${at}', 'msg': ${quoted(text)}, 'input': '${python(input)}'${context ? `, 'ctx': ${context}` : ''}}`,
    );
    const count = problems.length === 1 ? '1 validation error' : `${problems.length} validation errors`;
    return new ApiError(400, 'Bad Request', problems[0]?.at ?? null, `${count}:\n${lines.join('\n')}`);
  }

  toJSON(): object {
    return { error: { message: this.message, type: this.type, param: this.param, code: this.status } };
  }

  /** The frame of a stream. Those of a completion come from json.dumps, which puts spaces and escapes what is not ASCII. */
  toFrame(chat: boolean): string {
    if (chat) return `data: ${JSON.stringify(this)}\n\n`;
    const { message, type, param, status } = this;
    return `data: {"error": {"message": ${pythonJson(message)}, "type": ${pythonJson(type)}, "param": ${pythonJson(param)}, "code": ${status}}}\n\n`;
  }
}

/** As Python quotes a text. */
export const quoted = (text: string): string => (text.includes("'") ? `"${text}"` : `'${text}'`);

/** How Python would print a value in such a message. */
function python(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (Array.isArray(value)) return `<list of ${value.length} items>`;
  if (typeof value === 'object') return `<dict of ${Object.keys(value).length} items>`;
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return String(value);
}

/** json.dumps escapes what is not ASCII. */
function pythonJson(value: string | null): string {
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
