import type { INestApplicationContext } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { Env } from '../config/env';
import type { Upstream } from '../proxy/upstream/upstream';
import { Upstreams } from '../proxy/upstream/upstreams.service';
import { databaseLabel } from './database-failure';
import type { Provision } from './provision';
import type { Listening } from './serving';

const UPSTREAM_PATIENCE_MS = 3_000;
const MODELS_SHOWN = 5;
const PROXY_UNKNOWN =
  'TRUST_PROXY: false although PUBLIC_URL is https. All clients look like one, and failed logins of anybody keep ' +
  'everybody out; set it to the number of proxies';

/** Tells what runs, on what, and what is missing. Nothing secret. */
export async function printBanner(
  app: INestApplicationContext,
  provision: Provision,
  listening: Listening,
): Promise<void> {
  const env = app.get(Env);
  const { line } = provision.log;
  const url = env.publicUrl;
  line(`listening on http://${bracketed(env.HOST)}:${listening.port}`);
  const { workers } = listening;
  if (workers.length > 0) line(`workers: ${workers.length} (processes ${workers.join(', ')})`);
  line(`database: ${databaseLine(env, provision)}`);
  for (const told of await upstreamLines(app)) line(`vLLM: ${told}`);
  const secrets = provision.generatedSecrets.join(' and ');
  if (secrets) line(`secrets: ${secrets} not set, generated ones are kept in ${provision.directory.path}`);
  line(`data directory: ${provision.directory.path}`);
  line(metricsLine(env, listening.metricsPort));
  line(`registration: ${env.registration}`);
  // TLS ends in front of this process.
  if (env.publicUrl.startsWith('https:') && env.TRUST_PROXY === 'false') line(PROXY_UNKNOWN);
  line(env.DOCS_ACCESS === 'off' ? 'documentation: off (DOCS_ACCESS)' : `documentation: ${url}/docs`);
  line(`API for clients: ${url}/v1`);
}

function databaseLine(env: Env, provision: Provision): string {
  if (provision.embeddedDatabase !== null) return `embedded PostgreSQL in ${provision.embeddedDatabase}`;
  return databaseLabel(env.DATABASE_URL ?? '');
}

function metricsLine({ METRICS_HOST: host, METRICS_PORT: wanted }: Env, port: number | null): string {
  if (port !== null) return `metrics: http://${bracketed(host)}:${port}/metrics`;
  return wanted === 0
    ? 'metrics: off (METRICS_PORT=0)'
    : `metrics: none from this process (${host}:${wanted} is taken)`;
}

function upstreamLines(app: INestApplicationContext): Promise<string[]> {
  const { all } = app.get(Upstreams, { strict: false });
  return Promise.all(all.map((upstream) => upstreamLine(upstream, app.get(Env))));
}

async function upstreamLine({ url, vllm }: Upstream, { simulated }: Env): Promise<string> {
  const late = sleep(UPSTREAM_PATIENCE_MS, null, { ref: false });
  const answer = await Promise.race([modelNames(vllm), late]);
  const models =
    answer ?? `does not answer within ${UPSTREAM_PATIENCE_MS / 1_000} s; requests fail until it does`;
  return simulated
    ? `NONE: VLLM_BASE_URL is not set, so the built-in simulator (${url}) makes up every answer; ${models}`
    : `${url} ${models}`;
}

async function modelNames(vllm: Upstream['vllm']): Promise<string> {
  try {
    const names = (await vllm.models()).map(({ id }) => id);
    if (names.length === 0) return 'answers but serves no model';
    const more = names.length > MODELS_SHOWN ? ` and ${names.length - MODELS_SHOWN} more` : '';
    return `serves ${names.slice(0, MODELS_SHOWN).join(', ')}${more}`;
  } catch (error) {
    const { code, response } = error as { code?: string; response?: { status: number } };
    if (response?.status === 401 || response?.status === 403) {
      return `refuses the gateway (status ${response.status}): set VLLM_API_KEY to its key`;
    }
    if (response) return `answers status ${response.status} instead of its models; is it vLLM?`;
    return `does not answer (${code ?? (error as Error).message}); requests fail until it does`;
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
