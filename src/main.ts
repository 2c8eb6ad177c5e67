import type { NestExpressApplication } from '@nestjs/platform-express';
import { loadDotEnv, loadEnv } from './config/load-env';
import { dieOf } from './startup/die';
import { Provision } from './startup/provision';
import { startGateway } from './startup/run';
import { shutDown } from './startup/shutdown';
import { StartCancelled, StopSignals } from './startup/stop-signals';

async function main(): Promise<void> {
  // A reader of our output may go away (`npm start | head`): that ends the lines, not the gateway.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  const signals = new StopSignals();
  let provision: Provision | undefined;
  let app: NestExpressApplication | undefined;
  const abandon = async (): Promise<void> => {
    await app?.close();
    await provision?.stop();
  };
  process.on('uncaughtException', (error) => void dieOf(error, () => provision?.stop()));
  try {
    loadDotEnv();
    const env = loadEnv();
    provision = new Provision(env);
    const { log } = provision;
    const { proceed } = signals;
    await startGateway(env, provision, { proceed, onApp: (made) => (app = made) });
    const signal = await signals.first;
    log.line(`${signal}: finishing what runs; a second signal ends at once`);
    await shutDown(app as unknown as NestExpressApplication, env.isProduction && signal === 'SIGTERM');
    await provision.stop();
    log.line('stopped');
    process.exit(0);
  } catch (error) {
    if (!(error instanceof StartCancelled)) return dieOf(error, abandon);
    await abandon();
    process.exit(0);
  }
}

void main();
