import type { UsageRecord } from './dto/usage-records.dto';
import { csvHeader, csvLine } from './usage-csv';

const RECORD: UsageRecord = {
  request_id: '019aae2c-5f3e-7a10-8d4f-6b3a0e2f9c11',
  admitted_at: '2026-11-23T09:30:00.000Z',
  settled_at: '2026-11-23T09:30:04.000Z',
  model: 'org/"big", model',
  key_id: null,
  endpoint: 'chat_completions',
  stream: true,
  outcome: 'completed',
  source: 'exact',
  status: 200,
  prompt_tokens: 280,
  cached_tokens: 256,
  completion_tokens: 40,
  reasoning_tokens: 0,
  total_tokens: 320,
  time_to_first_token_ms: null,
  duration_ms: 4_000,
};

describe('usage as CSV', () => {
  it('has a header with the fields of a record', () => {
    expect(csvHeader().trim().split(',').sort()).toEqual(Object.keys(RECORD).sort());
  });

  it('quotes what needs quotes, and writes null as nothing', () => {
    expect(csvLine(RECORD)).toBe(
      '019aae2c-5f3e-7a10-8d4f-6b3a0e2f9c11,2026-11-23T09:30:00.000Z,2026-11-23T09:30:04.000Z,' +
        '"org/""big"", model",,chat_completions,true,completed,exact,200,280,256,40,0,320,,4000\r\n',
    );
  });
});
