import type { Connection } from './connection';
import { ENGINE_DIED } from './failures';
import type { Generation } from './generation';

export const DONE = 'data: [DONE]\n\n';

/** Writes frames and does what the script says after so many of them, or after so long without any. */
export class ScriptedOutput {
  private chunks = 0;
  private comment: NodeJS.Timeout | undefined;

  constructor(
    private readonly generation: Generation,
    private readonly connection: Connection,
  ) {
    this.awaitFrame();
  }

  async plain(frame: string): Promise<void> {
    await this.connection.untilAwake();
    this.stop();
    await this.write(frame);
    this.awaitFrame();
  }

  /** No comments from here on. */
  stop(): void {
    clearTimeout(this.comment);
  }

  private async write(frame: string): Promise<void> {
    if (!this.generation.request.script.splitBytes) return this.connection.write(frame);
    const bytes = Buffer.from(frame);
    let at = 0;
    for (let size = 1; at < bytes.length; size = ((size * 7) % 23) + 1) {
      await this.connection.write(bytes.subarray(at, at + size));
      await this.connection.pause(0);
      at += size;
    }
  }

  /** Returns true when the script ends the stream here. */
  async content(frame: string): Promise<boolean> {
    const { script } = this.generation.request;
    await this.plain(frame);
    this.chunks += 1;
    switch (this.chunks) {
      case script.dieAfterChunks:
        await this.connection.pause(5);
        this.connection.reset();
        return true;
      case script.endAfterChunks:
        this.connection.response.end();
        return true;
      case script.stallAfterChunks:
        await this.connection.forever();
        return true;
      case script.errorFrameAfterChunks:
        await this.plain(
          (script.body ? `data: ${script.body}\n\n` : ENGINE_DIED.toFrame(this.generation.chat)) + DONE,
        );
        if (script.holdAfterDone) await this.connection.forever();
        else this.connection.response.end();
        return true;
      default:
        return false;
    }
  }

  /** Comments go on although the engine hangs: they come from vLLM's front end. */
  private awaitFrame(): void {
    const { request, settings } = this.generation;
    const interval = request.script.commentEveryMs ?? settings.sseKeepAliveMs;
    if (interval === null) return;
    this.comment = setTimeout(() => {
      if (this.connection.isGone) return;
      this.connection.response.write(': keep-alive\n\n');
      this.awaitFrame();
    }, interval);
  }
}
