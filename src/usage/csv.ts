export type CsvValue = string | number | boolean | null;

/** What spreadsheets take for the start of a formula, wherever the text comes from. */
const FORMULA = /^\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|^[\t\r\n]/;

/** And within a text, after what ends a cell for a spreadsheet that does not separate by commas. */
const FORMULA_WITHIN = /([;|\t\r\n]["'\s]*)(?=[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])/g;

/** RFC 4180: a CRLF at the end, quotes doubled, null as nothing. A text like a formula gets an apostrophe in front. */
export const csvLine = (values: readonly CsvValue[]): string => `${values.map(csvField).join(',')}\r\n`;

function csvField(value: CsvValue): string {
  if (value === null) return '';
  if (typeof value !== 'string') return String(value);
  const text = (FORMULA.test(value) ? `'${value}` : value).replace(FORMULA_WITHIN, "$1'");
  return /[",;|\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
