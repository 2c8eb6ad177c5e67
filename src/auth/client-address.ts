import { isIP } from 'node:net';
import type { Request } from 'express';

/**
 * Where a request comes from, as far as TRUST_PROXY lets us believe it. What a proxy forwards that is no address is not
 * kept anywhere: then it is the address of the connection.
 */
export function clientAddress(request: Request): string | undefined {
  return plainAddress(request.ip) ?? plainAddress(request.socket.remoteAddress);
}

/**
 * The address in what proxies forward. Some balancers append the port, `192.0.2.7:51234` or `[2001:db8::1]:443`, which is
 * another one for each connection.
 */
export function plainAddress(text: string | undefined): string | undefined {
  const [, bracketed] = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text ?? '') ?? [];
  const [, beforePort] = /^([\d.]+):\d{1,5}$/.exec(text ?? '') ?? [];
  // The zone of a link-local address says nothing to anybody else.
  const [address = ''] = (bracketed ?? beforePort ?? text ?? '').split('%', 1);
  return isIP(address) > 0 ? address : undefined;
}
