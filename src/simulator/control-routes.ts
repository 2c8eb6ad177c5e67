import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody, sendEmpty, sendJson } from './http-answers';
import type { Journal } from './journal';
import type { SimulatorSettings } from './simulator-settings';

/**
 * The simulator's own routes, which vLLM does not have: GET and DELETE /simulator/journal, GET and PUT
 * /simulator/settings. Returns false for any other path.
 */
export async function controlRoute(
  control: { readonly journal: Journal; readonly settings: SimulatorSettings },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  switch (`${request.method} ${request.url}`) {
    case 'GET /simulator/journal':
      sendJson(response, 200, { entries: control.journal.entries });
      return true;
    case 'DELETE /simulator/journal':
      control.journal.clear();
      sendEmpty(response, 204);
      return true;
    case 'PUT /simulator/settings':
      await change(control.settings, request, response);
      return true;
    case 'GET /simulator/settings':
      sendJson(response, 200, control.settings);
      return true;
    default:
      return false;
  }
}

async function change(
  settings: SimulatorSettings,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const given = JSON.parse((await readBody(request)).toString('utf8')) as Record<string, unknown>;
  const unknown = Object.keys(given).filter((name) => !(name in settings));
  if (unknown.length > 0) {
    const known = Object.keys(settings).join(', ');
    return sendJson(response, 400, { error: `No such setting: ${unknown.join(', ')}. There are: ${known}.` });
  }
  Object.assign(settings, given);
  sendJson(response, 200, settings);
}
