/** A setting of `.env` that Node would take only a part of. */
export interface CutSetting {
  readonly name: string;
  /** Counted from 1. */
  readonly line: number;
}

/**
 * A name, and a value in quotes, which may go over several lines, or else the rest of the line. Node 20 takes no quotes
 * behind a tab for any.
 */
const SETTING = /^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*=(?: *(?:"[^"]*"|'[^']*'|`[^`]*`)|(.*))/gm;

/** A quote that nothing closes: Node takes the line as it is. */
const OPEN_QUOTE = /^ *["'`]/;

/** The first # does not stand behind a space, as that of a remark does, or stands between quotes that are taken for none. */
const CUT = /^(?:(?:[^#]*[^#\s])?#|\s*(["'`])[^#]*#.*\1)/;

/** The first setting in a text of the form of `.env` whose value has a # outside of quotes: Node ends it there. */
export function cutSetting(text: string): CutSetting | null {
  for (const { 1: name = '', 2: rest = '', index } of text.matchAll(SETTING)) {
    if (OPEN_QUOTE.test(rest) || !CUT.test(rest)) continue;
    return { name, line: text.slice(0, index).split('\n').length };
  }
  return null;
}
