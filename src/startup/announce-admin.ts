import type { INestApplicationContext } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { ModelCard } from '../openai-compat/model-card';
import { ModelsService } from '../openai-compat/models.service';
import { opencodeConfig, withPlaceholder } from '../openai-compat/opencode/opencode-config';
import type { FirstAdmin } from './first-admin';

/** In production the first admin's credentials go here instead of to the log. */
export const FIRST_ADMIN_FILE = 'first-admin.txt';

const PATIENCE_MS = 3_000;

/** Everything a first admin needs, as a text to keep. */
export async function firstAdminText(
  app: INestApplicationContext,
  admin: FirstAdmin,
  baseUrl: string,
): Promise<string> {
  const models = await Promise.race([modelsOf(app, admin), sleep(PATIENCE_MS, [], { ref: false })]);
  return [
    'The first admin. This is shown once: keep it in a safe place.',
    '',
    `  username  ${admin.username}`,
    `  password  ${admin.passwordGenerated ? admin.password : '(as ADMIN_PASSWORD says)'}`,
    `  API key   ${admin.apiKey}`,
    '',
    models.length > 0
      ? 'opencode.json for a project folder:'
      : 'opencode.json for a project folder (vLLM did not answer: adjust the model and its limit later):',
    '',
    JSON.stringify(
      opencodeConfig({ baseUrl, apiKey: admin.apiKey, models: withPlaceholder(models) }),
      null,
      2,
    ),
  ].join('\n');
}

async function modelsOf(app: INestApplicationContext, admin: FirstAdmin): Promise<ModelCard[]> {
  try {
    return (await app.get(ModelsService, { strict: false }).listWriting(admin.principal)).data;
  } catch {
    return [];
  }
}
