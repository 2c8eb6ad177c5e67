import type { NestExpressApplication } from '@nestjs/platform-express';
import { DataSource } from 'typeorm';
import type { Env } from '../config/env';
import { LimitsTimeZone } from '../usage/limits/limits-time-zone.service';
import { SettlementSpool } from '../usage/spool/settlement-spool.service';
import { FIRST_ADMIN_FILE, firstAdminText } from './announce-admin';
import { printBanner } from './banner';
import { ensureFirstAdmin, FirstAdmin } from './first-admin';
import { createGatewayApp } from './gateway-app';
import { checkPort } from './listen';
import { pepperChange } from './pepper-change';
import type { Provision } from './provision';
import type { Serving } from './serving';

/**
 * From settings to a gateway that listens.
 * @param proceed called between the steps; it throws when the start is to be given up
 * @param onApp told of the application as soon as it must be closed
 */
export async function startGateway(
  env: Env,
  provision: Provision,
  serving: Serving,
  { proceed, onApp }: { proceed: () => void; onApp: (app: NestExpressApplication) => void },
): Promise<void> {
  await checkPort(env);
  await provision.prepare(proceed);
  const app = await createGatewayApp(env);
  onApp(app);
  // Before there is an admin: a start that is refused must not leave one whose password nobody has seen.
  await app.get(LimitsTimeZone, { strict: false }).onModuleInit();
  await app.get(SettlementSpool, { strict: false }).onModuleInit();
  proceed();
  const changed = await pepperChange(app.get(DataSource, { strict: false }), env.API_KEY_PEPPER ?? '');
  if (changed) provision.log.line(changed);
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
    const listening = await serving.open(app);
    env.listensOn(listening.port);
    await printBanner(app, provision, listening);
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
  const text = await firstAdminText(app, admin, env.publicUrl);
  log.block(`\n${text}\n`);
}
