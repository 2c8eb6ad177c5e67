import type { Express } from 'express';
import { ApiException } from '../common/api.exception';
import { allRoutes, routesAt } from './allowed-methods';

/** Clients of OpenAI and Anthropic ask for nothing else. */
const PLACE = '/v1/';
/** No path of ours is as long; neither is it worth being looked at closely. */
const LONGEST_SLIP = 200;

/**
 * What is said of a path under /v1 that is not there, or that is one of /v1 but for a slip in the client's base URL:
 * where it is, or what there is.
 * @returns null for a path of any other place
 */
export function noSuchRoute(express: Express, method: string, path: string): ApiException | null {
  const right = path.length > LONGEST_SLIP ? null : slipOf(express, path);
  if (right === null && !/^\/+v1(\/|$)/i.test(path)) return null;
  const none = `There is no ${method} ${shown(path)} here.`;
  const message =
    right === null
      ? `${none} What there is: ${everythingAt(express)}.`
      : `${none} It is ${right}: correct the base URL of your client. ${baseUrlFor(right)}`;
  return new ApiException({ status: 404, code: 'not_found', message });
}

/** The path of the route that was meant: with /v1 left out or there twice, slashes doubled, or a whole path as base URL. */
function slipOf(express: Express, path: string): string | null {
  const rest = path
    .split('/')
    .filter((segment) => segment !== '')
    .join('/')
    .replace(/^(v1\/)+/i, '');
  const [route] = routesAt(express, PLACE + rest);
  if (route) return withBraces(route.path);
  const known = pathsOf(express).map((one) => one.slice(PLACE.length));
  const asked = rest.toLowerCase();
  const meant = known.filter((one) => asked.endsWith(`/${one}`)).sort((a, b) => b.length - a.length)[0];
  return meant !== undefined && known.some((one) => asked.startsWith(`${one}/`)) ? PLACE + meant : null;
}

const baseUrlFor = (path: string): string =>
  path.startsWith('/v1/messages')
    ? "Anthropic's clients take the one without /v1, and with no slash at its end."
    : "OpenAI's clients take the one that ends in /v1, with no slash behind.";

const pathsOf = (express: Express): string[] =>
  allRoutes(express)
    .map(({ path }) => path)
    .filter((path) => path.startsWith(PLACE) && !path.includes('*'));

function everythingAt(express: Express): string {
  // What opencode looks for when it is set up is nothing to call.
  const routes = allRoutes(express).filter(
    ({ path }) => path.startsWith(PLACE) && !path.startsWith(`${PLACE}.`),
  );
  const lines = routes.map(
    ({ path, methods }) => `${Object.keys(methods).join(' and ').toUpperCase()} ${withBraces(path)}`,
  );
  return [...new Set(lines)].join(', ');
}

/** Of a route that takes more than one segment, as the documentation writes it. */
const withBraces = (path: string): string => path.replace(/[*:](\w+)/g, '{$1}');

/** As much of a path as may be said again: neither long, nor anything that could be a secret. */
function shown(path: string): string {
  const segments = path.split('/', 8);
  const plain = segments.map((segment) => (/^[\w.-]{0,24}$/.test(segment) ? segment : '…'));
  return plain.length === 8 ? `${plain.slice(0, 7).join('/')}/…` : plain.join('/');
}
