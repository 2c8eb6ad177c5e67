export interface DatabaseSettings {
  readonly isolation: string;
  readonly date_style: string;
  readonly encoding: string;
  readonly read_only: string;
}

/** As one reads them, in a list of columns. */
export const SETTINGS = `current_setting('default_transaction_isolation') AS isolation,
  current_setting('DateStyle') AS date_style, current_setting('server_encoding') AS encoding,
  current_setting('transaction_read_only') AS read_only`;

const WHERE_TO_SET = 'for the role or database of the gateway';

/** What the gateway cannot work with, as the end of a sentence about the database; null: nothing. */
export function unfitSetting({
  isolation,
  date_style: dateStyle,
  encoding,
  read_only: readOnly,
}: DatabaseSettings): string | null {
  if (readOnly === 'on')
    return 'takes no changes: it is a standby, or default_transaction_read_only is on; the primary is needed';
  // Statements wait for each other's rows and then look at what was committed meanwhile.
  if (isolation !== 'read committed')
    return `has default_transaction_isolation "${isolation}"; set it to "read committed" ${WHERE_TO_SET}`;
  // The driver takes times in no other style, and gives null for them.
  if (!dateStyle.startsWith('ISO')) return `has DateStyle "${dateStyle}"; set it to "ISO" ${WHERE_TO_SET}`;
  return unfitEncoding(encoding);
}

/** Names and models may be of any characters, and functions of the migrations hold some: what else could not keep them. */
export function unfitEncoding(encoding: string): string | null {
  if (encoding === 'UTF8') return null;
  return `has the encoding ${encoding}; make one with UTF8 (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0)`;
}
