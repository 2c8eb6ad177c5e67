import { plainAddress } from './client-address';

describe('plainAddress', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['192.0.2.7:51234', '192.0.2.7'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['::ffff:192.0.2.7', '::ffff:192.0.2.7'],
    ['fe80::1%eth0', 'fe80::1'],
    ['evil<script>', undefined],
    ['unknown', undefined],
    ['192.0.2.7:51234:1', undefined],
    ['192.0.2.700', undefined],
    ['[192.0.2.7', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('of %s is %s', (text, address) => expect(plainAddress(text)).toBe(address));
});
