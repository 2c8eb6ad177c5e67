import { invalidField } from '../proxy/request/field-checks';

export type Block = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Block =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A content that is one text or a list of blocks, as a list. @throws ApiException 400 */
export function blocksOf(where: string, content: unknown): readonly Block[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  if (Array.isArray(content) && content.every((block) => isObject(block) && typeof block.type === 'string'))
    return content as Block[];
  throw invalidField(where, `${where} must be a text, or a list of blocks with a type each.`);
}

/** @throws ApiException 400 */
export function textOf(where: string, { text }: Block): string {
  if (typeof text === 'string') return text;
  throw invalidField(where, `${where} is a block of text without a text.`);
}

/** @throws ApiException 400 */
export function textsOf(where: string, value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
  throw invalidField(where, `${where} must be a list of texts.`);
}

/** A part of a chat's message. Where its address leads is checked with all others'. */
export function imagePart(where: string, { source }: Block): object {
  if (!isObject(source)) throw invalidField(where, `${where} is an image without a source.`);
  const { type, url, media_type: media = 'image/jpeg', data } = source;
  const address = type === 'url' ? url : `data:${String(media)};base64,${String(data)}`;
  return { type: 'image_url', image_url: { url: address } };
}

/** Blocks that hold nothing a model could be shown. */
const SILENT: ReadonlySet<unknown> = new Set(['redacted_thinking', 'tool_reference']);

export const isSilent = ({ type }: Block): boolean => SILENT.has(type);

/** @throws ApiException 400 */
export function unknownBlock(where: string, { type }: Block): never {
  throw invalidField(
    where,
    `${where} is a block of a type that is not accepted here: ${String(type).slice(0, 64)}.`,
  );
}
