import { availableParallelism } from 'node:os';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  MinLength,
} from 'class-validator';
import {
  IsApiKeys,
  IsBaseUrl,
  IsBaseUrls,
  IsDatabaseUrl,
  IsModelAliases,
  IsTimeZone,
  IsTrustProxy,
  IsWorkers,
  IsZeroOrAtLeast,
} from './env.validators';
import { VllmServer, vllmServers } from './vllm-servers';

const DAY_SECONDS = 86_400;
/** A timer of more than 24.8 days would end at once. */
const DAY_MS = 1_000 * DAY_SECONDS;

/**
 * Every setting of the gateway, with its default. `loadEnv` (load-env.ts) is the only reader of `process.env`;
 * everything else gets this object injected by class. An empty variable means unset.
 */
export class Env {
  @IsIn(['development', 'test', 'production'])
  NODE_ENV: 'development' | 'test' | 'production' = 'development';

  @IsString() HOST: string = '127.0.0.1';
  @IsInt() @Min(0) @Max(65_535) PORT: number = 8002;

  /** Where everything that links back to this service points; never taken from the Host header. */
  @IsOptional()
  @IsBaseUrl()
  PUBLIC_URL?: string;

  /** Express' trust proxy value: false, true, a number of hops or a list of addresses. */
  @IsTrustProxy() TRUST_PROXY: string = 'false';

  /** Processes that serve, or `auto`: one for each core. */
  @IsWorkers() WORKERS: string = '1';

  @IsString() DATA_DIR: string = './data';

  @IsOptional()
  @IsDatabaseUrl()
  DATABASE_URL?: string;
  @IsInt() @Min(2) @Max(500) DATABASE_POOL_SIZE: number = 10;
  /** Unset: true with the embedded database, false with DATABASE_URL. */
  @IsOptional() @IsBoolean() MIGRATE_ON_START?: boolean;

  /** Whole months of the ledger that are kept, beside the current one; 0 = all. */
  @IsInt() @Min(0) @Max(1_200) USAGE_RETENTION_MONTHS: number = 13;

  /** One server, or several with commas in between. */
  @IsOptional()
  @IsBaseUrls()
  VLLM_BASE_URL?: string;
  /** For all of them, or one for each, in the same order. */
  @IsOptional() @IsString() @IsApiKeys() VLLM_API_KEY?: string;
  /** `public=served,other=served2`: the names clients may use for the models vLLM serves. */
  @IsModelAliases() MODEL_ALIASES: string = '';
  /** Each model by its first alias only, or else the first name vLLM serves it under: limits on it have no way round. */
  @IsBoolean() ONE_NAME_PER_MODEL: boolean = false;

  @IsOptional() @MinLength(32) JWT_SECRET?: string;
  @IsOptional() @MinLength(32) API_KEY_PEPPER?: string;
  @IsInt() @Min(30) @Max(900) ACCESS_TOKEN_SECONDS: number = 900;
  @IsInt() @Min(3_600) @Max(365 * DAY_SECONDS) SESSION_SECONDS: number = 30 * DAY_SECONDS;

  @IsOptional() @Matches(/^\S{1,128}$/) ADMIN_USERNAME?: string;
  @IsOptional() @IsString() @MaxLength(128) ADMIN_PASSWORD?: string;

  /** Unset: open, and in production invite. */
  @IsOptional() @IsIn(['open', 'invite', 'closed']) REGISTRATION?: 'open' | 'invite' | 'closed';
  @IsInt() @Min(8) @Max(64) PASSWORD_MIN: number = 12;

  /** Changes (POST, PUT, PATCH, DELETE) of one account a minute; an administrator has ten times as many; 0 = no end. */
  @IsInt() @Min(0) @Max(1_000_000) CHANGES_PER_MINUTE: number = 120;

  @IsIn(['public', 'admin', 'off']) DOCS_ACCESS: 'public' | 'admin' | 'off' = 'public';

  /** Tokens a month each new user may spend; 0 = a new user may spend nothing, -1 = no default cap. */
  @IsInt() @Min(-1) DEFAULT_TOKEN_LIMIT: number = 1_000_000;
  /** Requests each new user may send a minute; -1 = as many as they like. */
  @IsInt() @Min(-1) DEFAULT_REQUESTS_PER_MINUTE: number = -1;
  /** Requests each new user may have under way at once; -1 = as many as they like. */
  @IsInt() @Min(-1) DEFAULT_CONCURRENT_REQUESTS: number = -1;
  /** max_tokens of a request that names none; 0 = whatever the model's window allows. */
  @IsInt() @Min(0) DEFAULT_MAX_TOKENS: number = 16_384;
  /** Different grammars (schemas of answers and of tools) one account may have vLLM compile a minute; 0 = no end. */
  @IsInt() @Min(0) @Max(10_000) GRAMMARS_PER_MINUTE: number = 60;
  @IsTimeZone() LIMITS_TIME_ZONE: string = 'UTC';
  @IsIn([402, 403, 429]) QUOTA_EXCEEDED_STATUS: 402 | 403 | 429 = 402;

  @IsInt() @Min(1) UPSTREAM_CONNECTIONS: number = 4_096;
  @IsInt() @Min(100) @Max(DAY_MS) UPSTREAM_CONNECT_TIMEOUT_MS: number = 5_000;
  /** Until the headers of a non-streamed answer, or the first byte of a streamed one. */
  @IsInt() @Min(100) @Max(DAY_MS) UPSTREAM_FIRST_BYTE_TIMEOUT_MS: number = 600_000;
  /** Silence allowed inside a stream. */
  @IsInt() @Min(100) @Max(DAY_MS) UPSTREAM_IDLE_TIMEOUT_MS: number = 300_000;
  /** When nothing has been heard of vLLM for so long although generations wait, it is asked for one token; 0 = never. */
  @IsInt() @Min(0) @Max(DAY_MS) UPSTREAM_PROBE_AFTER_MS: number = 10_000;
  /** Without an answer to that for so long, new generations are refused until there is one. */
  @IsInt() @Min(100) @Max(DAY_MS) UPSTREAM_PROBE_TIMEOUT_MS: number = 15_000;
  /** A client that reads nothing for so long is cut off. */
  @IsInt() @Min(100) @Max(DAY_MS) CLIENT_STALL_TIMEOUT_MS: number = 60_000;

  /** New generations are refused when they would have to wait longer than this for their turn; 0 = never. */
  @IsInt() @IsZeroOrAtLeast(50) @Max(60_000) SHED_AFTER_MS: number = 1_000;

  @IsInt() @Min(1_024) MAX_BODY_BYTES: number = 32 * 1_024 * 1_024;
  @IsInt() @Min(0) @Max(DAY_MS) SHUTDOWN_GRACE_MS: number = 120_000;
  /** A process that has not been heard of for so long is taken for dead; the same in every replica. */
  @IsInt() @Min(1_000) @Max(60_000) PROCESS_LEASE_MS: number = 30_000;
  /** Settlements kept on disk while PostgreSQL is away; when they fill it, nothing more is admitted. All are in memory. */
  @IsInt() @Min(65_536) @Max(256 * 1_024 * 1_024) SPOOL_MAX_BYTES: number = 64 * 1_024 * 1_024;

  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'silent']) LOG_LEVEL: string = 'info';
  /** 0 = no metrics listener. */
  @IsInt() @Min(0) @Max(65_535) METRICS_PORT: number = 9_464;
  @IsString() METRICS_HOST: string = '127.0.0.1';

  @IsBoolean() ALLOW_EMBEDDED_DATABASE: boolean = false;
  @IsBoolean() ALLOW_GENERATED_SECRETS: boolean = false;
  @IsBoolean() ALLOW_SIMULATOR: boolean = false;

  #simulated = false;
  #openPort: number | undefined;

  /** True when no vLLM is configured and the built-in simulator stands in. */
  get simulated(): boolean {
    return this.#simulated;
  }

  useSimulator(baseUrl: string): void {
    this.VLLM_BASE_URL = baseUrl;
    this.#simulated = true;
  }

  /** At least one, once the simulator stands in where none is configured. */
  get vllmServers(): VllmServer[] {
    return vllmServers(this.VLLM_BASE_URL ?? '', this.VLLM_API_KEY);
  }

  /** With PORT=0 only the socket knows. */
  listensOn(port: number): void {
    this.#openPort = port;
  }

  get isProduction(): boolean {
    return this.NODE_ENV === 'production';
  }

  /** How many processes serve; with 1 it is the one that was started. */
  get workers(): number {
    return this.WORKERS === 'auto' ? availableParallelism() : Number(this.WORKERS);
  }

  get registration(): 'open' | 'invite' | 'closed' {
    return this.REGISTRATION ?? (this.isProduction ? 'invite' : 'open');
  }

  /** The base of every link given out, without a trailing slash. */
  get publicUrl(): string {
    const named = this.HOST === '0.0.0.0' || this.HOST === '::' ? 'localhost' : this.HOST;
    const host = named.includes(':') ? `[${named}]` : named;
    return (this.PUBLIC_URL ?? `http://${host}:${this.#openPort ?? this.PORT}`).replace(/\/+$/, '');
  }
}

/** Settings that may also be given as NAME_FILE=path, the way containers hand over secrets. */
export const FILE_SETTINGS = [
  'DATABASE_URL',
  'JWT_SECRET',
  'API_KEY_PEPPER',
  'VLLM_API_KEY',
  'ADMIN_PASSWORD',
] as const satisfies readonly (keyof Env)[];
