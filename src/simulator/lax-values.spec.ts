import { ApiError } from './api-error';
import {
  laxBoolean,
  laxInteger,
  laxIntegerFrom,
  laxNumber,
  optionalDictionary,
  optionalList,
  optionalObject,
  optionalString,
} from './lax-values';

describe('lax values', () => {
  it.each([true, 1, 1.0, 'true', 'yes', 'on', 't', 'Y', '1'])('take %j for true', (value) =>
    expect(laxBoolean(value, 'body.stream')).toBe(true),
  );

  it.each([false, 0, 0.0, 'False', 'no', 'off', 'f', 'N', '0'])('take %j for false', (value) =>
    expect(laxBoolean(value, 'body.stream')).toBe(false),
  );

  it.each([2, '', 'x', [], {}, ' true'])('refuse %j as a boolean', (value) =>
    expect(() => laxBoolean(value, 'body.stream')).toThrow(ApiError),
  );

  it.each([
    [9, 9],
    ['9', 9],
    [2.0, 2],
    ['2.0', 2],
    [true, 1],
    [-1, -1],
  ])('read %j as the whole number %d', (value, number) => expect(laxInteger(value, 'body.n')).toBe(number));

  it.each([1.5, '1.5', 'abc', '', [1], {}, Infinity])('refuse %j as a whole number', (value) =>
    expect(() => laxInteger(value, 'body.n')).toThrow(ApiError),
  );

  it('refuse a whole number below the least one allowed', () => {
    expect(laxIntegerFrom(1, 1, 'body.stream_interval')).toBe(1);
    expect(() => laxIntegerFrom(1, 0, 'body.stream_interval')).toThrow('greater than or equal to 1');
  });

  it.each([
    [0.5, 0.5],
    ['0.5', 0.5],
    [true, 1],
  ])('read %j as the number %d', (value, number) =>
    expect(laxNumber(value, 'body.temperature')).toBe(number),
  );

  it.each([
    ['a boolean', laxBoolean],
    ['a whole number', laxInteger],
    ['a number', laxNumber],
    ['a text', optionalString],
    ['an object', optionalObject],
    ['a dictionary', optionalDictionary],
    ['a list', optionalList],
  ])('take null and absence for %s that is not set', (_, read) => {
    expect(read(null, 'body.x')).toBeUndefined();
    expect(read(undefined, 'body.x')).toBeUndefined();
  });

  it('name the field and the value that was wrong', () => {
    const error = catchError(() => optionalString(5, 'body.user'));
    expect(error).toMatchObject({ status: 400, type: 'Bad Request', param: 'body.user' });
    expect(error.message).toBe(
      "1 validation error:\n  {'type': 'string_type', 'loc': 'body.user', 'msg': 'Input should be a valid string', 'input': '5'}",
    );
  });
});

function catchError(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}
