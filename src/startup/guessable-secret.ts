/** 32 characters of fewer kinds than this were typed, not generated. */
const FEWEST_KINDS = 8;

/** What stands in examples until somebody puts a secret there; too long to come up by chance. */
const PLACEHOLDERS =
  /change(?:me|it|this)|replace(?:me|this|with)|placeholder|your(?:own|jwt|secret|pepper|key|super)|(?:super|my|jwt|top|not(?:so|a|very)?)secret|secretkey|apikeypepper|insertyour|keyboardcat|example/;

/** True for secrets nobody generated: few kinds of characters, one piece again and again, or an example's. */
export function isGuessableSecret(secret: string): boolean {
  if (new Set(secret).size < FEWEST_KINDS || isRepeated(secret)) return true;
  return PLACEHOLDERS.test(secret.toLowerCase().replaceAll(/[^a-z]/g, ''));
}

/** A text that begins anew within its first half, to its end, is one piece again and again; the last may be cut off. */
function isRepeated(text: string): boolean {
  for (let size = 1; size * 2 <= text.length; size += 1) {
    if (text.startsWith(text.slice(size))) return true;
  }
  return false;
}
