import { tightestTokenWindow, WindowState } from './limit-windows.service';

const window = (fields: Partial<WindowState>): WindowState => ({
  subject: 'user',
  metric: 'tokens',
  window: 'month',
  model: '',
  limit: null,
  used: 0,
  reserved: 0,
  remaining: fields.limit == null ? null : fields.limit - (fields.used ?? 0),
  resetsAt: null,
  ...fields,
});

describe('tightestTokenWindow', () => {
  it('is the limited window with the least left, not the one with the smallest limit', () => {
    const month = window({ limit: 1_000, used: 950 });
    const day = window({ window: 'day', limit: 100, used: 10 });
    expect(tightestTokenWindow([day, month])).toBe(month);
  });

  it('is the month, which only counts, when nothing is limited', () => {
    const month = window({ used: 7 });
    expect(tightestTokenWindow([window({ window: 'day' }), month, window({ window: 'total' })])).toBe(month);
  });

  it('leaves requests and single models out', () => {
    const month = window({ limit: 1_000 });
    const requests = window({ subject: 'user', metric: 'requests', window: 'minute', limit: 1 });
    const model = window({ model: 'small', limit: 2 });
    expect(tightestTokenWindow([requests, model, month])).toBe(month);
  });
});
