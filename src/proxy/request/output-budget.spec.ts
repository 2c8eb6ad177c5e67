import { clampedTo, minimumFor, outputBudget, OutputQuestion } from './output-budget';

const question = (more: Partial<OutputQuestion> = {}): OutputQuestion => ({
  requested: 100,
  minTokens: 0,
  choices: 1,
  prompts: 1,
  window: 32_768,
  prompt: { tokens: 1_000, largest: 1_000, exact: false, bounded: true },
  absentMeans: 'rest_of_window',
  defaultMax: 16_384,
  ...more,
});
const exactly = (tokens: number, largest = tokens) => ({ tokens, largest, exact: true, bounded: true });
const image = { tokens: 1_000, largest: 1_000, exact: true, bounded: false };

describe('outputBudget', () => {
  it('sends a wish that fits as it is and reserves prompt and every choice', () => {
    expect(outputBudget(question({ choices: 3 }))).toMatchObject({
      maxTokens: 100,
      total: 1_300,
      needsExactPrompt: false,
    });
  });

  it('asks for the exact prompt when the bound does not decide', () => {
    expect(outputBudget(question({ requested: 32_000 })).needsExactPrompt).toBe(true);
  });

  it("lowers opencode's 32000 to what the window leaves, and never raises", () => {
    expect(outputBudget(question({ requested: 32_000, prompt: exactly(8_000) })).maxTokens).toBe(24_768);
    expect(outputBudget(question({ requested: 50, prompt: exactly(8_000) })).maxTokens).toBe(50);
  });

  it('leaves a prompt that alone overflows the window to vLLM, whose words agents understand', () => {
    const budget = outputBudget(question({ requested: 100, prompt: exactly(40_000) }));
    expect(budget).toMatchObject({ maxTokens: 100, needsExactPrompt: false });
    expect(budget.total).toBeLessThanOrEqual(32_768);
  });

  it('puts the default in place of an absent wish, or leaves it to a window that is smaller anyway', () => {
    expect(outputBudget(question({ requested: null })).maxTokens).toBe(16_384);
    expect(outputBudget(question({ requested: null, window: 8_192 }))).toMatchObject({
      maxTokens: null,
      total: 8_192,
    });
    expect(outputBudget(question({ requested: null, defaultMax: 0 }))).toMatchObject({
      maxTokens: null,
      total: 32_768,
    });
  });

  it("reserves vLLM's own 16 for a completion that names none", () => {
    expect(outputBudget(question({ requested: null, absentMeans: 16 }))).toMatchObject({
      maxTokens: null,
      total: 1_016,
    });
  });

  it('counts images as the whole window and lets vLLM fill it', () => {
    expect(outputBudget(question({ requested: 32_768, prompt: image }))).toMatchObject({
      maxTokens: null,
      total: 32_768,
    });
    expect(outputBudget(question({ requested: 200, prompt: image }))).toMatchObject({
      maxTokens: 200,
      total: 32_768,
    });
    const several = outputBudget(question({ requested: 200, choices: 2, prompt: image }));
    expect(several.total).toBe(32_968);
    expect(minimumFor(several, question({ requested: 200, choices: 2, prompt: image }))).toBeLessThanOrEqual(
      several.total,
    );
  });

  it('lowers a wish to what the window leaves beside a count that may be too little, and reserves the window', () => {
    const fallsShort = { ...image, counted: 20_000 };
    const asked = (requested: number | null, more: object = {}) =>
      outputBudget(question({ requested, prompt: fallsShort, ...more }));
    expect(asked(16_000)).toMatchObject({ maxTokens: 12_768, total: 32_768 });
    expect(asked(null)).toMatchObject({ maxTokens: 12_768, total: 32_768 });
    expect(asked(100, { choices: 2 })).toMatchObject({ maxTokens: 100, total: 32_868 });
    expect(asked(null, { defaultMax: 0 })).toMatchObject({ maxTokens: null, total: 32_768 });
    const tooLarge = { prompt: { ...image, counted: 32_768 } };
    expect(asked(100, tooLarge)).toMatchObject({ maxTokens: 100, total: 32_768 });
  });

  it('lowers a wish to what the window leaves beside the largest of several prompts', () => {
    const several = { prompts: 2, choices: 3, requested: 20_000 };
    expect(outputBudget(question({ ...several, prompt: exactly(36_000, 18_000) })).maxTokens).toBe(14_768);
    const fits = outputBudget(question({ ...several, prompt: exactly(36_000, 12_000) }));
    expect(fits).toMatchObject({ maxTokens: 20_000, total: 2 * (32_768 + 2 * 20_000) });
  });

  it('reserves the token that vLLM generates for max_tokens 0, and still asks for 0', () => {
    for (const window of [32_768, null]) {
      const asked = question({ window, requested: 0, choices: 2, prompts: 3, prompt: exactly(30, 10) });
      const budget = outputBudget(asked);
      expect(budget).toMatchObject({ maxTokens: 0, total: 36 });
      expect(minimumFor(budget, asked)).toBe(36);
      expect(clampedTo(budget, 36, asked)).toMatchObject({ maxTokens: 0, total: 36 });
      expect(clampedTo(budget, 35, asked)).toBeNull();
    }
  });

  it('works without a known window', () => {
    expect(outputBudget(question({ window: null, requested: null }))).toMatchObject({
      maxTokens: 16_384,
      total: 17_384,
    });
  });
});

describe('clampedTo', () => {
  it('spreads what is left over the choices and refuses what would be too short to use', () => {
    const asked = question({ requested: 500, choices: 2, prompt: exactly(100) });
    const budget = outputBudget(asked);
    expect(minimumFor(budget, asked)).toBe(132);
    expect(clampedTo(budget, 301, asked)).toMatchObject({ maxTokens: 100, total: 301 });
    expect(clampedTo(budget, 131, asked)).toBeNull();
  });

  it('leaves no choice less than min_tokens, nor asks for more than was wished', () => {
    const asked = question({ requested: 500, minTokens: 60, prompt: exactly(100) });
    const budget = outputBudget(asked);
    expect(minimumFor(budget, asked)).toBe(160);
    expect(clampedTo(budget, 159, asked)).toBeNull();
    expect(clampedTo(budget, 160, asked)).toMatchObject({ maxTokens: 60 });
    const more = question({ requested: 50, minTokens: 60, prompt: exactly(100) });
    expect(minimumFor(outputBudget(more), more)).toBe(150);
  });

  it('lets a wish smaller than the least useful output through', () => {
    const asked = question({ requested: 4, prompt: exactly(10) });
    const budget = outputBudget(asked);
    expect(minimumFor(budget, asked)).toBe(14);
    expect(clampedTo(budget, 14, asked)).toMatchObject({ maxTokens: 4 });
  });
});
