/**
 * The text of a function with a part of it changed: a migration says what it changes, and not all of it again.
 * @throws Error when the part is not in it: nothing would have changed
 */
export function withChanged(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`not in the function: ${from}`);
  return text.replace(from, () => to);
}

/** What makes a function anew that is there already: a migration that changes one, or gives its older text back. */
export const replacing = (text: string): string =>
  withChanged(text, 'CREATE FUNCTION', 'CREATE OR REPLACE FUNCTION');
