/** How many tokens a block of the prefix cache holds. */
const BLOCK = 16;
const MAX_BLOCKS = 50_000;

/** Tells how much of a prompt was computed before under the same salt, in whole blocks, as vLLM's prefix cache does. */
export class PrefixCache {
  private readonly blocks = new Set<string>();

  /** Returns the cached tokens of a prompt and keeps its blocks. At least one token is always computed. */
  lookUp(tokens: readonly string[], salt: string): number {
    let cached = 0;
    let hit = true;
    let chain = salt;
    for (let end = BLOCK; end < tokens.length; end += BLOCK) {
      chain = digest(chain, tokens, end - BLOCK, end);
      hit &&= this.blocks.has(chain);
      if (hit) cached = end;
      else this.keep(chain);
    }
    return cached;
  }

  private keep(block: string): void {
    this.blocks.add(block);
    if (this.blocks.size <= MAX_BLOCKS) return;
    const [oldest] = this.blocks;
    if (oldest !== undefined) this.blocks.delete(oldest);
  }
}

/** Two 32-bit FNV hashes of a chain and its next block: enough for a test double. */
function digest(chain: string, tokens: readonly string[], from: number, to: number): string {
  let high = 2_166_136_261;
  let low = 40_503;
  const mix = (text: string) => {
    for (let at = 0; at < text.length; at += 1) {
      high = Math.imul(high ^ text.charCodeAt(at), 16_777_619);
      low = Math.imul(low ^ text.charCodeAt(at), 2_246_822_519) + 1;
    }
  };
  mix(chain);
  for (let at = from; at < to; at += 1) mix(`|${tokens[at]}`);
  return `${(high >>> 0).toString(36)}.${(low >>> 0).toString(36)}`;
}
