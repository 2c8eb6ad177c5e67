import type { Response as OpenAiResponse } from 'openai/resources/responses/responses';

export interface ResponseEvent {
  readonly type: string;
  readonly sequence_number: number;
  readonly output_index?: number;
  readonly delta?: string;
  readonly item?: object;
  readonly response?: OpenAiResponse;
}

/** Each event's name stands before its data, which says it again; they are numbered. */
export function eventsOf(text: string): ResponseEvent[] {
  const frames = text.split('\n\n').filter((frame) => frame !== '');
  return frames.map((frame, at) => {
    const [name, data] = frame.split('\n') as [string, string];
    const event = JSON.parse(data.replace(/^data: /, '')) as ResponseEvent;
    expect([name, event.sequence_number]).toEqual([`event: ${event.type}`, at]);
    return event;
  });
}
