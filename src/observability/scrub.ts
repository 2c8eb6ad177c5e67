const SECRETS: readonly [RegExp, string][] = [
  // Without \b: a # that was written as %23 stands before it.
  [/llm([kipr])_[\w-]{8,}/g, 'llm$1_…'],
  [/\beyJ[\w-]{8,}\.[\w-]+(\.[\w-]*)?/g, 'jwt…'],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{6,}/gi, '$1 …'],
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@/]+@/gi, '$1:…@'],
];

/** Takes out of a text what has the form of a credential: the last net under everything that is logged. */
export function scrub(text: string): string {
  let clean = text;
  for (const [pattern, replacement] of SECRETS) clean = clean.replace(pattern, replacement);
  return clean;
}
