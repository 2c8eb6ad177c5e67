import { loadEnv } from '../config/load-env';
import { productionRefusal } from './production-refusals';

const SECRET = 'a secret that is long enough for everyone';
const complete = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://gateway@db.example/gateway',
  VLLM_BASE_URL: 'http://vllm:8000',
  JWT_SECRET: SECRET,
  API_KEY_PEPPER: `${SECRET}, too`,
};

describe('what production refuses', () => {
  it('names every missing setting in one sentence', () => {
    const refusal = productionRefusal(loadEnv({ NODE_ENV: 'production' })) ?? '';
    for (const name of [
      'DATABASE_URL',
      'ALLOW_EMBEDDED_DATABASE',
      'JWT_SECRET',
      'API_KEY_PEPPER',
      'ALLOW_GENERATED_SECRETS',
      'VLLM_BASE_URL',
      'ALLOW_SIMULATOR',
    ]) {
      expect(refusal).toContain(name);
    }
    expect(refusal).not.toContain('\n');
  });

  it.each([
    ['DATABASE_URL', 'ALLOW_EMBEDDED_DATABASE'],
    ['JWT_SECRET', 'ALLOW_GENERATED_SECRETS'],
    ['API_KEY_PEPPER', 'ALLOW_GENERATED_SECRETS'],
    ['VLLM_BASE_URL', 'ALLOW_SIMULATOR'],
  ])('refuses a missing %s unless %s', (setting, permission) => {
    const lacking = { ...complete, [setting]: '' };
    const refusal = productionRefusal(loadEnv(lacking)) ?? '';
    expect(refusal).toContain(setting);
    expect(refusal.match(/ALLOW_/g)).toHaveLength(1);
    expect(productionRefusal(loadEnv({ ...lacking, [permission]: 'true' }))).toBeNull();
  });

  it('refuses nothing when all is set, and nothing elsewhere', () => {
    expect(productionRefusal(loadEnv(complete))).toBeNull();
    expect(productionRefusal(loadEnv({}))).toBeNull();
  });
});
