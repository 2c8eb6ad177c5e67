import type { NestExpressApplication } from '@nestjs/platform-express';
import { loadDotEnv, loadEnv } from './config/load-env';
import { exitAfterLastWords } from './observability/standard-outputs';
import { dieOf } from './startup/die';
import { InThisProcess } from './startup/in-this-process';
import { onlyWords } from './startup/only-words';
import { Provision } from './startup/provision';
import { startGateway } from './startup/run';
import type { Serving } from './startup/serving';
import { StartCancelled, StopSignals } from './startup/stop-signals';
import { keepObjectsYoung } from './startup/young-objects';
import { InWorkers } from './startup/workers/in-workers';

/** `npm run start:cluster` asks for it: one worker for each core, unless WORKERS says otherwise. */
const CLUSTER_OPTION = '--cluster';

const PURPOSE =
  'npm start and npm run start:cluster are all there is to say: settings come from the environment and .env ' +
  '(docs/configuration.md).';

async function main(): Promise<void> {
  keepObjectsYoung();
  // A reader of our output may go away (`npm start | head`): that ends the lines, not the gateway.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  const signals = new StopSignals();
  let provision: Provision | undefined;
  let serving: Serving | undefined;
  let app: NestExpressApplication | undefined;
  const abandon = async (): Promise<void> => {
    await serving?.abandon(app);
    await provision?.stop();
  };
  process.on('uncaughtException', (error) => void dieOf(error, () => provision?.stop()));
  try {
    onlyWords([CLUSTER_OPTION], PURPOSE);
    loadDotEnv();
    const env = loadEnv(process.env, process.argv.includes(CLUSTER_OPTION) ? { WORKERS: 'auto' } : {});
    provision = new Provision(env);
    const { log } = provision;
    const { proceed } = signals;
    serving = env.workers > 1 ? new InWorkers(provision, signals) : new InThisProcess(env);
    await startGateway(env, provision, serving, { proceed, onApp: (made) => (app = made) });
    const signal = await Promise.race([signals.first, serving.failed]);
    log.line(`${signal}: finishing what runs; a second signal ends at once`);
    await serving.close(app as unknown as NestExpressApplication, env.isProduction && signal === 'SIGTERM');
    // Not to be given up any more, whatever happens below: all that is closed.
    [serving, app] = [undefined, undefined];
    await provision.stop();
    log.line('stopped');
    await exitAfterLastWords(0);
  } catch (error) {
    if (!(error instanceof StartCancelled)) return dieOf(error, abandon);
    await abandon();
    await exitAfterLastWords(0);
  }
}

void main();
