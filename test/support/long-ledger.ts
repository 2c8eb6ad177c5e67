interface Database {
  query(statement: string, values?: unknown[]): Promise<unknown>;
}

/** A ledger of `records` requests of one user, two minutes apart, and `groups` users with some usage on 1 May 2024. */
export async function writeLongLedger(
  database: Database,
  userId: string,
  { records, groups }: { records: number; groups: number },
): Promise<void> {
  await database.query(
    `INSERT INTO usage_records (request_id, admitted_at, settled_at, user_id, endpoint, model, stream, outcome,
       source, status, prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, duration_ms)
     SELECT (substr(uuid_v7_floor(at)::text, 1, 14) || '7' || substr(md5(n::text), 1, 3) || '-8'
         || substr(md5(n::text), 4, 3) || '-' || substr(md5(n::text), 7, 12))::uuid, at, at, $1,
       'chat_completions', 'sim', true, 'completed', 'exact', 200, 10, 0, 1, 0, 5
     FROM (SELECT n, now() - n * interval '2 minutes' AS at FROM generate_series(1, ${records}) AS n) AS g`,
    [userId],
  );
  await database.query(
    `INSERT INTO usage_daily (user_id, day, key_id, model, requests, prompt_tokens, cached_tokens,
       completion_tokens, reasoning_tokens)
     SELECT gen_random_uuid(), '2024-05-01', '00000000-0000-0000-0000-000000000000', 'sim', 1, n % 100, 0, 1, 0
     FROM generate_series(1, ${groups}) AS n`,
  );
  await database.query('ANALYZE usage_records, usage_daily');
}
