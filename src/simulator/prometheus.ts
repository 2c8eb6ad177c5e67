import type { Journal } from './journal';

/** GET /metrics: the few series of vLLM that a gateway or an autoscaler reads, from the journal. */
export function prometheus(journal: Journal, model: string): string {
  const labels = `{engine="0",model_name="${model}"}`;
  // vLLM counts a prompt when its first token comes.
  const begun = journal.entries.filter(({ completionTokens }) => completionTokens > 0);
  const sum = (field: 'promptTokens' | 'completionTokens') =>
    begun.reduce((total, entry) => total + entry[field], 0);
  const series: readonly [name: string, type: string, value: number][] = [
    ['vllm:num_requests_running', 'gauge', journal.unfinished],
    ['vllm:num_requests_waiting', 'gauge', 0],
    ['vllm:kv_cache_usage_perc', 'gauge', 0],
    ['vllm:prompt_tokens_total', 'counter', sum('promptTokens')],
    ['vllm:generation_tokens_total', 'counter', sum('completionTokens')],
  ];
  return series
    .map(([name, type, value]) => `# TYPE ${name} ${type}\n${name}${labels} ${value.toFixed(1)}\n`)
    .join('');
}
