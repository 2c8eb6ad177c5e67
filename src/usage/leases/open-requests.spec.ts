import { OpenRequests, Progress } from './open-requests';

describe('what is written of running requests', () => {
  const open = new OpenRequests();
  let progress: Progress | null = null;
  open.begin('id');
  open.follow('id', { progress: () => progress, cutShort: () => undefined });
  const due = (next: Progress | null) => {
    progress = next;
    const checkpoints = open.checkpoints();
    open.written(checkpoints);
    return checkpoints;
  };

  it('is whatever has changed, also to less than a prompt was taken for', () => {
    expect(due(null)).toEqual([]);
    expect(due({ prompt: 0, completion: 0 })).toEqual([]);
    expect(due({ prompt: 40, completion: 0 })).toEqual([{ requestId: 'id', prompt: 40, completion: 0 }]);
    expect(due({ prompt: 40, completion: 0 })).toEqual([]);
    expect(due({ prompt: 30, completion: 7 })).toEqual([{ requestId: 'id', prompt: 30, completion: 7 }]);
    expect(due({ prompt: 30, completion: 7 })).toEqual([]);
    expect(due({ prompt: 30, completion: 8 })).toEqual([{ requestId: 'id', prompt: 30, completion: 8 }]);
    open.end('id');
    expect(due({ prompt: 30, completion: 9 })).toEqual([]);
  });
});
