/** Puts the public model name where vLLM wrote the served one. */
export class ModelName {
  private readonly from: string;
  private readonly to: string;
  private lastAt = -1;

  constructor(servedName: string, publicName: string) {
    // vLLM answers with the first served name of the model, which need not be the one it was asked for: match any.
    this.from = `"model":${toLatin1(JSON.stringify(servedName))}`;
    this.to = `"model":${toLatin1(JSON.stringify(publicName))}`;
  }

  /** @param text one reply or one chunk, as latin1: the name stands at the same place in every chunk of a stream */
  rewrite(text: string): string {
    if (this.lastAt !== -1 && text.startsWith(this.from, this.lastAt))
      return this.splice(text, this.lastAt, this.from.length);
    const key = text.indexOf('"model":"');
    if (key === -1) return text;
    this.lastAt = key;
    if (text.startsWith(this.from, key)) return this.splice(text, key, this.from.length);
    const close = closingQuote(text, key + '"model":"'.length);
    return close === -1 ? text : this.splice(text, key, close + 1 - key);
  }

  private splice(text: string, at: number, length: number): string {
    return this.from === this.to && length === this.from.length
      ? text
      : text.slice(0, at) + this.to + text.slice(at + length);
  }
}

/**
 * The JSON text of an error without the name of the model as it is served there, which may tell more than the public
 * one. Only its message: a model may be called `code`.
 */
export function underPublicName(text: string, servedName: string, publicName: string): string {
  if (servedName === publicName || !text.includes(servedName)) return text;
  const body = JSON.parse(text) as { error: { message?: unknown } };
  const { message } = body.error;
  if (typeof message !== 'string') return text;
  const name = servedName.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const renamed = message.replace(
    new RegExp(`(?<![\\w./-])${name}(?![\\w/-]|\\.\\w)`, 'g'),
    () => publicName,
  );
  return renamed === message ? text : JSON.stringify({ ...body, error: { ...body.error, message: renamed } });
}

/** Text of UTF-8 bytes, one character a byte: the form in which replies are relayed. */
export const toLatin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

function closingQuote(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x5c) at += 1;
    else if (code === 0x22) return at;
  }
  return -1;
}
