import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import { endStalledReaders } from './stalled-readers';

const LOOK_MS = 500;
const PATIENCE_MS = 2_000;

describe('clients that read nothing', () => {
  let server: EventEmitter;
  let now: number;

  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['performance'] });
    now = 1_000_000;
    jest.spyOn(performance, 'now').mockImplementation(() => now);
    server = new EventEmitter();
    endStalledReaders(server as Server, PATIENCE_MS);
  });
  afterEach(() => {
    server.emit('close');
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  const look = (afterMs = LOOK_MS): void => {
    now += afterMs;
    jest.advanceTimersByTime(LOOK_MS);
  };
  const connected = () => {
    const destroy = jest.fn();
    const socket = Object.assign(new EventEmitter(), {
      writableLength: 1_000,
      _handle: { writeQueueSize: 1_000 },
      destroy,
    });
    server.emit('connection', socket);
    return socket;
  };
  const lookUntilPatienceEnds = (): void => {
    for (let passed = 0; passed < PATIENCE_MS; passed += LOOK_MS) look();
  };

  it('are cut off when their patience is over, and those who read a little are not', () => {
    const [silent, slow] = [connected(), connected()];
    look();
    for (let passed = 0; passed < PATIENCE_MS; passed += LOOK_MS) {
      expect(silent.destroy).not.toHaveBeenCalled();
      slow._handle.writeQueueSize -= 1;
      look();
    }
    expect(silent.destroy).toHaveBeenCalled();
    expect(slow.destroy).not.toHaveBeenCalled();
  });

  it('are not blamed for a pause of this process', () => {
    const socket = connected();
    look();
    look(60_000);
    expect(socket.destroy).not.toHaveBeenCalled();
    lookUntilPatienceEnds();
    expect(socket.destroy).toHaveBeenCalled();
  });
});
