import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { INestApplication } from '@nestjs/common';
import { Env } from '../config/env';
import { Readiness } from '../health/readiness';
import { hasOpenAnswers } from '../http/open-answers';
import { LiveRequests } from '../proxy/live-requests';

/** How long a load balancer gets to see that this replica is not ready, before it refuses connections. */
const LOAD_BALANCER_MS = 5_000;
/** A connection that lasts longer once nothing runs is idle or stuck. */
const LAST_CONNECTIONS_MS = 2_000;
const SWEEP_MS = 50;

/**
 * Ends the application in order: not ready any more, no new connections, running answers finished within
 * SHUTDOWN_GRACE_MS and generations settled, the rest closed.
 * @param patient whether somebody else may still be sending requests here, as a load balancer does
 */
export async function shutDown(app: INestApplication, patient: boolean): Promise<void> {
  const env = app.get(Env);
  const server = app.getHttpServer() as Server;
  app.get(Readiness, { strict: false }).drain();
  server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
    response.setHeader('connection', 'close');
  });
  if (patient) await sleep(Math.min(LOAD_BALANCER_MS, env.SHUTDOWN_GRACE_MS));
  const closed = new Promise((resolve) => server.close(resolve));
  // Connections whose answer began before all this were promised to be kept.
  const sweeping = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
  const graceEndsAt = performance.now() + env.SHUTDOWN_GRACE_MS;
  try {
    await app.get(LiveRequests, { strict: false }).beforeApplicationShutdown();
    // What is not metered: a report may take long, and a download as long as its client likes.
    while (hasOpenAnswers(server) && performance.now() < graceEndsAt) await sleep(SWEEP_MS);
    await Promise.race([closed, sleep(LAST_CONNECTIONS_MS, undefined, { ref: false })]);
  } finally {
    clearInterval(sweeping);
  }
  server.closeAllConnections();
  await app.close();
}
