import { invalidField, isObject } from '../../proxy/request/field-checks';

export type Item = Readonly<Record<string, unknown>>;

export interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

export type ChatPart = TextPart | { readonly type: 'image_url'; readonly image_url: object };

const TEXTS: Readonly<Record<string, string>> = {
  input_text: 'text',
  output_text: 'text',
  text: 'text',
  refusal: 'refusal',
};

/** A content that is one text or a list of parts, as the parts of a chat. @throws ApiException 400 */
export function partsOf(where: string, content: unknown): ChatPart[] {
  if (typeof content === 'string') return [textPart(content)];
  if (Array.isArray(content)) return content.map((part: unknown, at) => partOf(`${where}[${at}]`, part));
  throw invalidField(where, `${where} must be a text, or a list of parts with a type each.`);
}

function partOf(where: string, part: unknown): ChatPart {
  const { type, ...fields } = isObject(part) ? part : ({} as Item);
  const key = typeof type === 'string' && Object.hasOwn(TEXTS, type) ? TEXTS[type] : undefined;
  if (key !== undefined) {
    const text = fields[key];
    if (typeof text === 'string') return textPart(text);
    throw invalidField(where, `${where} is a part of text without a ${key}.`);
  }
  if (type === 'input_image') return imagePart(where, fields);
  throw invalidField(
    where,
    `${where} is a part of a type that is not accepted here: ${String(type).slice(0, 64)}. Send text or images.`,
  );
}

function imagePart(where: string, { image_url: url, detail }: Item): ChatPart {
  if (typeof url !== 'string' || !/^data:/i.test(url))
    throw invalidField(
      where,
      `${where} must have an image_url that is a data: URL; links and files are not fetched here, send the image itself.`,
    );
  return { type: 'image_url', image_url: { url, ...(typeof detail === 'string' ? { detail } : {}) } };
}

const textPart = (text: string): TextPart => ({ type: 'text', text });

export const isText = (part: ChatPart): part is TextPart => part.type === 'text';

export const joined = (parts: readonly ChatPart[], between = ''): string =>
  parts
    .filter(isText)
    .map(({ text }) => text)
    .join(between);

/** One text as a text: not every template takes a list of parts. */
export function contentOf(parts: readonly ChatPart[]): string | readonly ChatPart[] {
  const [first] = parts;
  if (!first) return '';
  return parts.length === 1 && isText(first) ? first.text : parts;
}
