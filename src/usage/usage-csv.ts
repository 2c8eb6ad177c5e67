import type { UsageRecord } from './dto/usage-records.dto';

const COLUMNS = [
  'request_id',
  'admitted_at',
  'settled_at',
  'model',
  'key_id',
  'endpoint',
  'stream',
  'outcome',
  'source',
  'status',
  'prompt_tokens',
  'cached_tokens',
  'completion_tokens',
  'reasoning_tokens',
  'total_tokens',
  'time_to_first_token_ms',
  'duration_ms',
] as const satisfies (keyof UsageRecord)[];

/** RFC 4180: CRLF line ends, quotes doubled, null as nothing. */
export const csvHeader = (): string => `${COLUMNS.join(',')}\r\n`;

export const csvLine = (record: UsageRecord): string =>
  `${COLUMNS.map((column) => csvField(record[column])).join(',')}\r\n`;

function csvField(value: string | number | boolean | null): string {
  const text = value === null ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
