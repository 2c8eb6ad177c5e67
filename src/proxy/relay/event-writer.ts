import type { ServerResponse } from 'node:http';

const LAST_CHUNK = '0\r\n\r\n';

/**
 * So much waits for the end of the turn at most, in bytes: libuv reads up to two megabytes of one socket in a turn, and
 * what has been handed to a client that does not read stays in memory.
 */
const MOST_WAITING = 32 * 1_024;

/**
 * Writes events to the client, those of one turn of the event loop together, as one chunk of HTTP/1.1 in one piece.
 * Node would write the size, the events and two line ends as four pieces, and wait for the next turn to do so: half
 * the cost of a streamed token (docs/decisions/0009). Text is latin1, one character a byte.
 */
export class EventWriter {
  private framed = false;
  private waiting = '';
  private full = false;

  constructor(private readonly response: ServerResponse) {}

  /** Something has been handed over: the answer is a 200, whether or not its head has left yet. */
  get hasBegun(): boolean {
    return this.waiting !== '' || this.response.headersSent;
  }

  /** @returns false when the client reads slower than this; `drain` of the response says when it has caught up */
  write(events: string): boolean {
    const isFirst = this.waiting === '';
    this.waiting += events;
    if (this.waiting.length >= MOST_WAITING) this.flush();
    else if (isFirst) flushSoon(this);
    return !this.full;
  }

  end(events: string): void {
    const text = this.waiting + events;
    this.waiting = '';
    if (!this.response.headersSent) this.open();
    this.response.end(this.framed ? chunk(text) + LAST_CHUNK : text, 'latin1');
  }

  flush(): void {
    const text = this.waiting;
    if (text === '') return;
    this.waiting = '';
    this.full = !this.send(text);
  }

  private send(text: string): boolean {
    const { response } = this;
    // Head and first events go in one write, which only the response can do.
    const opening = !response.headersSent;
    if (opening) this.open();
    const bytes = this.framed ? chunk(text) : text;
    // Null while an earlier answer of a pipelining client has the connection.
    const { socket } = response;
    if (opening || socket === null || response.writableNeedDrain) {
      if (response.write(bytes, 'latin1')) return true;
      this.awaitDrain();
      return false;
    }
    if (socket.write(bytes, 'latin1')) return true;
    if (this.awaitDrain()) socket.once('drain', () => response.emit('drain'));
    return false;
  }

  /** Before all who go on writing at `drain`: they would be told once more that there is no room, and wait for ever. */
  private awaitDrain(): boolean {
    if (this.full) return false;
    this.response.prependOnceListener('drain', this.onDrain);
    return true;
  }

  private readonly onDrain = (): void => {
    this.full = false;
  };

  private open(): void {
    this.response.writeHead(200, EVENT_STREAM_HEADERS);
    // The head says "chunked" unless the client speaks HTTP/1.0; from here on the framing is ours.
    this.framed = this.response.chunkedEncoding;
    this.response.chunkedEncoding = false;
  }
}

/** How many streams' events are written in one go: so few that none waits for long. */
const MOST_TOGETHER = 16;

/**
 * What several reads of one turn brought is written in one go: whoever reads it is woken once and not for each, which
 * costs more than the write itself.
 */
let together: EventWriter[] = [];

function flushSoon(writer: EventWriter): void {
  together.push(writer);
  if (together.length === 1) setImmediate(flushAll);
  else if (together.length >= MOST_TOGETHER) flushAll();
}

function flushAll(): void {
  const writers = together;
  together = [];
  for (const writer of writers) writer.flush();
}

/** An empty chunk would be the last one. */
function chunk(text: string): string {
  return text === '' ? '' : `${text.length.toString(16)}\r\n${text}\r\n`;
}

const EVENT_STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  // Asks nginx and its like not to collect events before passing them on.
  'x-accel-buffering': 'no',
} as const;
