import type { Choice, Step } from './answer';
import type { Connection } from './connection';
import { scriptedFailure } from './failures';
import type { Generation } from './generation';
import { exceedsLogprobs, tooManyLogprobs } from './request-checks';
import { DONE, ScriptedOutput } from './scripted-output';
import { deltaChunk, roleChunk, usageChunk } from './stream-chunks';
import { answerHeaders } from './answer-headers';

/** How a stream ended: 'cut' when the script broke it off. */
export type StreamEnd = 'completed' | 'cut' | 'rejected';

/** Sends the answer token by token. Headers go out at once, the first byte with the first token. */
export async function streamAnswer(generation: Generation, connection: Connection): Promise<StreamEnd> {
  const { script } = generation.request;
  connection.response.writeHead(200, {
    ...answerHeaders('text/event-stream; charset=utf-8'),
    ...script.responseHeaders,
  });
  connection.response.flushHeaders();
  if (script.emptyStream) {
    connection.response.end();
    return 'cut';
  }
  if (script.errorFirst !== undefined) {
    connection.response.end(scriptedFailure(script.errorFirst).toFrame(generation.chat) + DONE);
    return 'rejected';
  }
  const out = new ScriptedOutput(generation, connection);
  try {
    return await sendAll(generation, connection, out);
  } finally {
    out.stop();
  }
}

async function sendAll(
  generation: Generation,
  connection: Connection,
  out: ScriptedOutput,
): Promise<StreamEnd> {
  const { request, settings } = generation;
  const { script } = request;
  await connection.pause(script.ttftMs ?? settings.timeToFirstTokenMs);
  if (exceedsLogprobs(request.logprobs)) {
    connection.response.end(tooManyLogprobs(request.logprobs).toFrame(generation.chat) + DONE);
    return 'rejected';
  }
  if (generation.chat)
    for (const choice of generation.choices) await out.plain(roleChunk(generation, choice));
  if (await sendSteps(generation, connection, out)) return 'cut';
  if (connection.isGone) return 'cut';
  if (request.includeUsage && script.usage !== 'omit' && !script.doneWithoutFinish)
    await out.plain(usageChunk(generation));
  await out.plain(DONE);
  if (script.holdAfterDone) {
    out.stop();
    await connection.forever();
  } else connection.response.end();
  return script.doneWithoutFinish ? 'cut' : 'completed';
}

/** Returns true when the script broke the stream off. */
async function sendSteps(
  generation: Generation,
  connection: Connection,
  out: ScriptedOutput,
): Promise<boolean> {
  const { request, settings } = generation;
  const between = request.script.tbtMs ?? settings.timeBetweenTokensMs;
  const size = request.script.tokensPerChunk ?? request.streamInterval;
  const cursors = generation.choices.map((choice) => ({ choice, at: 0 }));
  let open = cursors;
  while (open.length > 0) {
    for (const cursor of open) {
      if (connection.isGone) return false;
      const steps = nextSteps(cursor.choice, cursor.at, size);
      cursor.at += steps.length;
      for (const step of steps) generation.count(cursor.choice, step);
      const last = cursor.at >= cursor.choice.steps.length;
      const chunk = deltaChunk(generation, cursor.choice, steps, last);
      if (chunk !== null && (await out.content(chunk))) return true;
    }
    open = open.filter(({ choice, at }) => at < choice.steps.length);
    if (open.length > 0) await connection.pause(between * size);
  }
  return false;
}

/** The first token goes out by itself, as with --stream-interval; steps a parser holds back go with the next. */
function nextSteps(choice: Choice, at: number, size: number): readonly Step[] {
  return choice.steps.slice(at, at + (at === 0 ? 1 : size));
}
