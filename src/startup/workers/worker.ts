import type { NestExpressApplication } from '@nestjs/platform-express';
import type { EmbeddedPostgres } from '../../embedded-postgres/embedded-postgres';
import { snapshotOf } from '../../observability/merged-metrics';
import { Metrics } from '../../observability/metrics';
import { exitAfterLastWords } from '../../observability/standard-outputs';
import { joinEmbeddedDatabase } from '../database';
import { DatabaseFailure } from '../database-failure';
import { dieOf } from '../die';
import { createGatewayApp } from '../gateway-app';
import { openPort } from '../listen';
import { shutDown } from '../shutdown';
import { isExplained } from '../startup-failure';
import { StartCancelled, StopSignals } from '../stop-signals';
import { keepObjectsYoung } from '../young-objects';
import { takeOver } from './handover';
import { PrimaryLink } from './primary-link';
import { ALIVE_EVERY_MS } from './watchdog';

/**
 * A process that serves, started by the primary (in-workers.ts). It ends in order when the primary says so, when it
 * gets a signal of its own, and when the primary is gone.
 */
async function main(): Promise<void> {
  keepObjectsYoung();
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  const signals = new StopSignals();
  const primary = new PrimaryLink();
  const end = wishedEnd(signals, primary);
  let database: EmbeddedPostgres | undefined;
  let app: NestExpressApplication | undefined;
  const leave = async (): Promise<void> => {
    const left = database;
    database = undefined;
    await left?.stop();
  };
  process.on('uncaughtException', (error) => void dieOf(error, leave));
  try {
    const { proceed } = end;
    const cancelled = end.wished.then(() => Promise.reject(new StartCancelled()));
    const handover = await Promise.race([primary.handover(), cancelled]);
    const env = takeOver(handover);
    // A place of its own among the users of the database: it stays until the last of its answers is settled.
    if (handover.embeddedDatabase) database = await joinEmbeddedDatabase(env);
    proceed();
    app = await createGatewayApp(env);
    proceed();
    const metrics = app.get(Metrics, { strict: false });
    primary.on('metrics', ({ question }) => void tellMetrics(primary, metrics, question));
    await primary.tell({ kind: 'listening', port: await openPort(app, env) });
    setInterval(() => void primary.tell({ kind: 'alive' }), ALIVE_EVERY_MS).unref();

    const patient = await end.wished;
    await shutDown(app, patient && env.isProduction);
    app = undefined;
    await tellMetrics(primary, metrics, null);
    await leave();
    await exitAfterLastWords(0);
  } catch (error) {
    const abandon = async (): Promise<void> => {
      await app?.close();
      await leave();
    };
    if (error instanceof StartCancelled) {
      await abandon();
      await exitAfterLastWords(0);
    }
    if (!isExplained(error) || !process.connected) return dieOf(error, abandon);
    const mayPass = error instanceof DatabaseFailure;
    await primary.tell({ kind: 'failed', sentence: error.message, mayPass });
    await abandon();
    await exitAfterLastWords(1);
  }
}

/** The first reason to end; it resolves with whether a load balancer may still be sending requests here. */
function wishedEnd(signals: StopSignals, primary: PrimaryLink) {
  let isWished = false;
  const wished = Promise.race([
    signals.first.then((signal) => signal === 'SIGTERM'),
    new Promise<boolean>((resolve) => primary.on('stop', ({ patient }) => resolve(patient))),
    primary.lost.then(() => false),
  ]);
  void wished.then(() => (isWished = true));
  const proceed = (): void => {
    if (isWished) throw new StartCancelled();
  };
  return { wished, proceed };
}

async function tellMetrics(primary: PrimaryLink, { registry }: Metrics, question: number | null) {
  await primary.tell({ kind: 'metrics', question, snapshot: await snapshotOf(registry) });
}

void main();
