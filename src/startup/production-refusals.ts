import type { Env } from '../config/env';

/** What NODE_ENV=production lacks, as one sentence naming every missing setting; null when nothing is. */
export function productionRefusal(env: Env): string | null {
  if (!env.isProduction) return null;
  const secrets = (['JWT_SECRET', 'API_KEY_PEPPER'] as const).filter((name) => !env[name]);
  const missing = [
    !env.DATABASE_URL && !env.ALLOW_EMBEDDED_DATABASE
      ? 'DATABASE_URL (or ALLOW_EMBEDDED_DATABASE=true to run the embedded database)'
      : null,
    secrets.length > 0 && !env.ALLOW_GENERATED_SECRETS
      ? `${secrets.join(' and ')} (or ALLOW_GENERATED_SECRETS=true to keep generated secrets in DATA_DIR)`
      : null,
    !env.VLLM_BASE_URL && !env.ALLOW_SIMULATOR
      ? 'VLLM_BASE_URL (or ALLOW_SIMULATOR=true to answer with simulated text)'
      : null,
  ].filter((sentence) => sentence !== null);
  return missing.length > 0 ? `NODE_ENV=production needs ${missing.join(', and ')}.` : null;
}
