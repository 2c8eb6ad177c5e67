import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEmbeddedPostgres } from '../../src/embedded-postgres/embedded-postgres';
import { ApiKeysService } from '../../src/auth/api-keys/api-keys.service';
import { ledgerLines } from '../support/ledger-report';
import { SeenCheckpoints } from '../support/conservation/checkpoints';
import { findings, LedgerLine } from '../support/conservation/findings';
import { nemesis } from '../support/conservation/nemesis';
import { LIMIT_IN_TOTAL, overshoot } from '../support/conservation/overshoot';
import { Random } from '../support/conservation/random';
import { Replicas } from '../support/conservation/replicas';
import { Account } from '../support/conservation/requests';
import { client, Seen } from '../support/conservation/traffic';
import { Vllms } from '../support/conservation/vllms';
import { PassingWindows } from '../support/conservation/windows';
import { openDatabaseGate } from '../support/database-gate';
import { startGateway, TestGateway } from '../support/gateway';
import { cleanUp, emptyFolder, ensureBuilt } from '../support/gateway-process';

const SECONDS = Number(process.env.CONSERVATION_SECONDS ?? 60);
const SEED = Number(process.env.CONSERVATION_SEED ?? Date.now() % 1_000_000);
const USERS = 100;
/** Of them; they also chat with sessions, and a hash takes time. */
const WITH_SESSIONS = 20;
/** So many are made at once: each is several commits, one after the other. */
const MADE_AT_ONCE = 5;
const IN_TOTAL_EVERY = 13;
const CLIENTS = 30;
const VLLMS = 2;
const LEASE_MS = 5_000;
/** What is open after the last fault must be closed by then. */
const QUIET_MS = 90_000;

describe('the conservation of tokens', () => {
  afterAll(() => cleanUp());

  it(
    `holds over ${SECONDS} s of kills, pauses and outages (CONSERVATION_SEED=${SEED})`,
    async () => {
      await ensureBuilt();
      const random = new Random(SEED);
      const folder = emptyFolder();
      const dataDir = join(folder, 'postgres');
      // With all its safety, unlike the server of the other tests: it is killed here.
      const settings = { max_connections: '200' };
      const postgres = [await startEmbeddedPostgres({ dataDir, settings })];
      const url = postgres[0]?.url as string;
      const restartPostgres = async (signal: NodeJS.Signals) => {
        process.kill(
          Number(readFileSync(join(dataDir, 'cluster', 'postmaster.pid'), 'utf8').split('\n')[0]),
          signal,
        );
        await sleep(300);
        postgres.push(await startEmbeddedPostgres({ dataDir, settings }));
        expect(postgres.at(-1)?.url).toBe(url);
      };
      const vllms = await Vllms.start(VLLMS);
      const gate = await openDatabaseGate(url);
      const shared = {
        VLLM_BASE_URL: vllms.urls.join(','),
        JWT_SECRET: randomBytes(32).toString('hex'),
        API_KEY_PEPPER: randomBytes(32).toString('hex'),
        PROCESS_LEASE_MS: String(LEASE_MS),
        UPSTREAM_IDLE_TIMEOUT_MS: '1500',
        // More than any answer takes by itself.
        UPSTREAM_FIRST_BYTE_TIMEOUT_MS: '5000',
        // A vLLM that hangs is given up, now and then.
        UPSTREAM_PROBE_AFTER_MS: '800',
        UPSTREAM_PROBE_TIMEOUT_MS: '1200',
        DEFAULT_TOKEN_LIMIT: '1000000000',
        MIGRATE_ON_START: 'true',
      };
      const replicas = new Replicas({ ...shared, DATABASE_URL: gate.url, LOG_LEVEL: 'error' });
      for (let count = 0; count < 3; count += 1) await replicas.add();
      const watcher = await startGateway({ settings: { ...shared, DATABASE_URL: url } });
      const accounts = await makeAccounts(watcher);
      // Slow machines shall use up their limits, too.
      const limited = accounts.filter((_, index) => index % IN_TOTAL_EVERY === 0);
      const asked = [...accounts, ...limited, ...limited, ...limited];

      const clients: Seen[] = [];
      const story: string[] = [];
      const endsAt = Date.now() + SECONDS * 1_000;
      const goesOn = () => Date.now() < endsAt;
      const checkpoints = new SeenCheckpoints(watcher.dataSource);
      const windows = new PassingWindows(watcher.dataSource);
      const victims = { replicas, gate, restartPostgres, vllms, windows };
      const log = (line: string) =>
        story.push(`${Math.round(SECONDS - (endsAt - Date.now()) / 1_000)} s: ${line}`);
      await Promise.all([
        nemesis(random, victims, log, goesOn),
        checkpoints.watch(goesOn),
        ...Array.from({ length: CLIENTS }, (_, index) =>
          client(
            new Random(SEED + index + 1),
            asked,
            () => replicas.urls,
            (seen) => clients.push(seen),
            goesOn,
          ),
        ),
      ]);

      const open = await untilClosed(watcher);
      const journal = vllms.seen();
      const ledger = await readLedger(watcher);
      const found = [
        ...open,
        ...findings({
          journal,
          ledger,
          clients,
          checkpoints: checkpoints.seen,
          estimates: 'guessed',
        }),
        ...(await ledgerLines(watcher)),
        ...(await stillReserved(watcher)),
        ...(await overshoot(watcher.dataSource, checkpoints.settledAt)),
      ];
      const atCheckpoint = ledger.filter((row) => row.provisional);
      process.stdout.write(
        `conservation: seed ${SEED}, ${story.length} faults, ${journal.size} requests reached vLLM, ` +
          `${clients.length} answers, ${ledger.length} rows, ${atCheckpoint.length} of them at a checkpoint ` +
          `(${atCheckpoint.filter((row) => checkpoints.seen.has(row.request_id)).length} seen), ${ledger.filter((row) => row.source === 'estimated').length} estimated, ` +
          `${found.length} findings\n`,
      );
      if (found.length > 0) process.stdout.write(`${story.join('\n')}\n${replicas.errors().slice(-5_000)}\n`);
      await watcher.close();
      await cleanUp();
      await gate.close();
      await vllms.close();
      for (const server of postgres.toReversed()) await server.stop().catch(() => undefined);
      expect(found).toEqual([]);
      expect(ledger.length).toBeGreaterThan(SECONDS);
    },
    SECONDS * 1_000 + 900_000,
  );
});

async function makeAccounts(gateway: TestGateway): Promise<Account[]> {
  const keys = gateway.app.get(ApiKeysService, { strict: false });
  const accounts: Account[] = [];
  while (accounts.length < USERS) {
    const made = Array.from({ length: MADE_AT_ONCE }, (_, place) =>
      makeAccount(gateway, keys, accounts.length + place),
    );
    accounts.push(...(await Promise.all(made)));
  }
  return accounts;
}

async function makeAccount(gateway: TestGateway, keys: ApiKeysService, index: number): Promise<Account> {
  const account =
    index < WITH_SESSIONS ? await withSession(gateway) : await withoutSession(gateway, keys, index);
  const { id } = account;
  // Some live under limits, and their windows end while it runs.
  if (index % 5 === 0) await addLimit(gateway, id, 'tokens', 'minute', 3_000);
  if (index % 7 === 0) await addLimit(gateway, id, 'requests', 'minute', 20);
  if (index % IN_TOTAL_EVERY === 0) await addLimit(gateway, id, 'tokens', 'total', LIMIT_IN_TOTAL);
  if (index % 11 === 0) await addLimit(gateway, id, 'concurrent_requests', 'total', 1);
  return account;
}

async function withSession(gateway: TestGateway): Promise<Account> {
  const { id, key, accessToken } = await gateway.register();
  return { id, key, session: accessToken };
}

async function withoutSession(gateway: TestGateway, keys: ApiKeysService, index: number): Promise<Account> {
  const username = `user-${index}`;
  const [user] = await gateway.dataSource.query<{ id: string }[]>(
    `INSERT INTO users (id, username, username_key, password_hash) VALUES (gen_random_uuid(), $1, $1, '-') RETURNING id`,
    [username],
  );
  const id = user?.id as string;
  return { id, key: (await keys.create({ actorId: id }, id, { name: 'key' })).key };
}

const addLimit = (gateway: TestGateway, id: string, metric: string, period: string, amount: number) =>
  gateway.dataSource.query(
    `INSERT INTO limits (subject, subject_id, metric, period, amount, set_by) VALUES ('user', $1, $2, $3, $4, 'admin')`,
    [id, metric, period, amount],
  );

async function untilClosed(gateway: TestGateway): Promise<string[]> {
  const deadline = Date.now() + QUIET_MS;
  for (;;) {
    const rows = await gateway.dataSource.query<{ request_id: string; process_id: string }[]>(
      'SELECT request_id, process_id FROM open_requests',
    );
    if (rows.length === 0) return [];
    if (Date.now() > deadline)
      return rows.map((row) => `open: ${row.request_id} of process ${row.process_id}`);
    await sleep(200);
  }
}

const readLedger = (gateway: TestGateway): Promise<LedgerLine[]> =>
  gateway.dataSource.query(
    `SELECT request_id, outcome, source, status, prompt_tokens::int AS prompt, completion_tokens::int AS completion,
       provisional FROM usage_records`,
  );

async function stillReserved(gateway: TestGateway): Promise<string[]> {
  const rows = await gateway.dataSource.query<{ id: string; reserved: string }[]>(
    'SELECT id, reserved FROM limit_windows WHERE reserved <> 0',
  );
  return rows.map((row) => `reserved: ${row.reserved} in counter ${row.id}`);
}
