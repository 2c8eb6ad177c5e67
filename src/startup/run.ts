import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { HotExpressAdapter } from '../http/hot-express-adapter';
import { AppModule } from '../app.module';
import { configureApp } from '../app.setup';
import type { Env } from '../config/env';
import { FIRST_ADMIN_FILE, firstAdminText } from './announce-admin';
import { linkBase, printBanner } from './banner';
import { ensureFirstAdmin, FirstAdmin } from './first-admin';
import { checkPort, listenFailure } from './listen';
import type { Provision } from './provision';

export interface RunningGateway {
  readonly app: NestExpressApplication;
  readonly port: number;
}

/**
 * From settings to a gateway that listens.
 * @param proceed called between the steps; it throws when the start is to be given up
 * @param onApp told of the application as soon as it must be closed
 */
export async function startGateway(
  env: Env,
  provision: Provision,
  { proceed, onApp }: { proceed: () => void; onApp: (app: NestExpressApplication) => void },
): Promise<RunningGateway> {
  await checkPort(env);
  await provision.prepare(proceed);
  const app = await NestFactory.create<NestExpressApplication>(
    AppModule.forEnv(env),
    new HotExpressAdapter(),
    {
      bodyParser: false,
      bufferLogs: true,
      abortOnError: false,
    },
  );
  onApp(app);
  configureApp(app);
  proceed();
  let adminFile: string | null = null;
  const admin = await ensureFirstAdmin(app, async (first) => {
    if (!env.isProduction) return;
    adminFile = await provision.directory.put(
      FIRST_ADMIN_FILE,
      await firstAdminText(app, first, env.publicUrl),
    );
  });
  try {
    proceed();
    await app.listen(env.PORT, env.HOST).catch((error: unknown) => {
      throw listenFailure(error, env);
    });
    const port = portOf(app) ?? env.PORT;
    await printBanner(app, provision, { host: env.HOST, port });
    return { app, port };
  } finally {
    // Also when the port cannot be opened after all: the account exists, and nothing else knows its password.
    if (admin) await announce(app, provision, admin, adminFile);
  }
}

async function announce(
  app: NestExpressApplication,
  provision: Provision,
  admin: FirstAdmin,
  file: string | null,
): Promise<void> {
  if (file !== null) {
    provision.log.line(`first admin: ${admin.username}; password, API key and opencode.json are in ${file}`);
    return;
  }
  const { env, log } = provision;
  const text = await firstAdminText(app, admin, linkBase(env, portOf(app) ?? env.PORT));
  log.block(`\n${text}\n`);
}

/** The port that is really open; null when none is. */
function portOf(app: NestExpressApplication): number | null {
  return (app.getHttpServer().address() as AddressInfo | null)?.port ?? null;
}
