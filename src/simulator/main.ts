import { startSimulator } from './simulator';
import { DEFAULT_MODEL, SimulatedModel } from './simulator-settings';

const TASKS = ['generate', 'embed', 'classify', 'any'] as const;

/**
 * `npm run vllm:sim`. Settings: PORT, HOST, SIM_MODELS (name:window:alias:alias,…), SIM_TASK (generate, embed, classify, any),
 * SIM_TTFT_MS, SIM_TBT_MS, VLLM_API_KEY.
 */
async function main(): Promise<void> {
  const { PORT, HOST, SIM_MODELS, SIM_TASK, SIM_TTFT_MS, SIM_TBT_MS, VLLM_API_KEY } = process.env;
  const simulator = await startSimulator({
    host: HOST || '127.0.0.1',
    port: whole('PORT', PORT, 8_000),
    models: models(SIM_MODELS),
    task: taskOf(SIM_TASK),
    timeToFirstTokenMs: whole('SIM_TTFT_MS', SIM_TTFT_MS, 50),
    timeBetweenTokensMs: whole('SIM_TBT_MS', SIM_TBT_MS, 15),
    apiKey: VLLM_API_KEY || undefined,
    promptTokensDetails: true,
    reasoning: true,
  });
  const { baseUrl } = simulator;
  console.log(`vLLM simulator on ${baseUrl}: answers are simulated, no model is asked.`);
  console.log(
    `Point the gateway at it with VLLM_BASE_URL=${baseUrl}; what it did: GET ${baseUrl}/simulator/journal`,
  );
  const stop = () => void simulator.close().then(() => process.exit(0));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

function whole(name: string, text: string | undefined, fallback: number): number {
  if (!text) return fallback;
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new Error(`${name} must be a whole number.`);
}

function taskOf(text: string | undefined): (typeof TASKS)[number] {
  const task = TASKS.find((one) => one === (text || 'generate'));
  if (task) return task;
  throw new Error(`SIM_TASK must be one of ${TASKS.join(', ')}.`);
}

function models(text: string | undefined): SimulatedModel[] {
  if (!text) return [DEFAULT_MODEL];
  return text.split(',').map((part) => {
    const [id = '', window, ...aliases] = part.trim().split(':');
    if (id === '') throw new Error('SIM_MODELS must look like name:window:alias,name2:window2.');
    return { id, maxModelLen: whole('SIM_MODELS', window, DEFAULT_MODEL.maxModelLen), aliases };
  });
}

main().catch((error: Error & { code?: string }) => {
  console.error(
    error.code === 'EADDRINUSE'
      ? `The port is in use: ${error.message}. Set PORT to another one.`
      : error.message,
  );
  process.exit(1);
});
