import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { INestApplication } from '@nestjs/common';
import type { Env } from '../config/env';
import { explained } from './database-failure';
import { codeOf, isExplained, StartupFailure } from './startup-failure';

/**
 * Makes sure that the port can be opened, before anything is started or created for it.
 * @throws StartupFailure
 */
export async function checkPort(env: Env): Promise<void> {
  if (env.PORT !== 0 && env.PORT === env.METRICS_PORT) {
    throw new StartupFailure(`PORT and METRICS_PORT are both ${env.PORT}; they must differ.`);
  }
  const probe = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject);
      probe.listen(env.PORT, env.HOST, resolve);
    });
  } catch (error) {
    throw listenFailure(error, env);
  } finally {
    await new Promise((resolve) => probe.close(resolve));
  }
}

/**
 * Opens HOST and PORT.
 * @returns the port that is really open
 * @throws StartupFailure
 */
export async function openPort(app: INestApplication, env: Env): Promise<number> {
  await app.init().catch((error: unknown) => {
    throw explained(error, env);
  });
  await app.listen(env.PORT, env.HOST).catch((error: unknown) => {
    throw isExplained(error) ? error : listenFailure(error, env);
  });
  const port = (app.getHttpServer().address() as AddressInfo | null)?.port ?? env.PORT;
  env.listensOn(port);
  return port;
}

/** Says in one sentence why HOST and PORT cannot be listened on. */
function listenFailure(error: unknown, { HOST, PORT }: Env): StartupFailure {
  const sentence = {
    EADDRINUSE: `PORT ${PORT} on ${HOST} is in use already: stop what listens there, or choose another PORT`,
    EACCES: `PORT ${PORT} may not be opened by this user: choose one above 1023`,
    EADDRNOTAVAIL: `HOST ${HOST} is not an address of this machine: 127.0.0.1 and 0.0.0.0 always are`,
    ENOTFOUND: `HOST ${HOST} is unknown: give an address such as 127.0.0.1 or 0.0.0.0`,
    EAI_AGAIN: `HOST ${HOST} is unknown: give an address such as 127.0.0.1 or 0.0.0.0`,
  }[codeOf(error)];
  return new StartupFailure(
    `${sentence ?? `${HOST}:${PORT} cannot be listened on: ${(error as Error).message}`}.`,
    { cause: error },
  );
}
