import { parseInstant, parseMoment } from './moment';

describe('parseMoment', () => {
  it('takes a date as a calendar day, without deciding its time zone', () => {
    expect(parseMoment('2026-11-01')).toEqual({ day: '2026-11-01' });
  });

  it('takes a date-time with its offset as an instant', () => {
    expect(parseMoment('2026-11-01T12:00:00+02:00')).toEqual({ instant: new Date('2026-11-01T10:00:00Z') });
    expect(parseMoment('2026-11-01t12:00:00.5z')).toEqual({ instant: new Date('2026-11-01T12:00:00.500Z') });
  });

  it('reads the plus sign that a query turned into a space', () => {
    expect(parseMoment('2026-11-01T12:00:00 02:00')).toEqual({ instant: new Date('2026-11-01T10:00:00Z') });
  });

  it.each([
    '',
    'today',
    '2026-11',
    '2026-02-30',
    '2026-13-01',
    '0000-01-01',
    '2026-11-01T12:00:00',
    '2026-11-01T25:00:00Z',
    '2026-11-01T24:00:00Z',
    '2026-11-01 12:00:00Z',
    '1764000000',
    "2026-11-01'; DROP TABLE users",
  ])('refuses %j', (text) => {
    expect(parseMoment(text)).toBeNull();
  });
});

describe('parseInstant', () => {
  it('takes a date-time with its offset', () => {
    expect(parseInstant('2026-11-01T12:00:00+02:00')).toEqual(new Date('2026-11-01T10:00:00Z'));
  });

  it.each(['2026-11-01', '2026-11-01T12:00:00', '2026-11-01T12:00:00 02:00', '2026-02-30T12:00:00Z', ''])(
    'refuses %j',
    (text) => {
      expect(parseInstant(text)).toBeNull();
    },
  );
});
