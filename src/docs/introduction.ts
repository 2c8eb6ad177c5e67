import type { Env } from '../config/env';

const REGISTER: Readonly<Record<Env['registration'], string>> = {
  open: 'Make an account with **POST /auth/register**. Its answer carries a first API key, shown once.',
  invite:
    'Ask an administrator for an invitation, and make an account with **POST /auth/register**. ' +
    'Its answer carries a first API key, shown once.',
  closed: 'Ask an administrator for an account.',
};

/** The text at the top of the page: how to begin. */
export function introduction(env: Env): string {
  const minutes = Math.round(env.ACCESS_TOKEN_SECONDS / 60);
  return [
    "Accounts, API keys, metering and limits in front of vLLM, behind OpenAI's API.",
    '',
    '**To try it from this page:**',
    '',
    `1. ${REGISTER[env.registration]}`,
    '2. Press **Authorize**. Under *session*, enter username and password: ' +
      'it opens the routes that manage. Under *api-key*, paste an API key: it opens /v1.',
    '3. Run the first example of **POST /v1/chat/completions**, then see **GET /users/usage**.',
    '',
    `A session's access token lasts ${minutes} minutes; press Authorize again after that. ` +
      'An API key never manages, and a session is not accepted on /v1.',
    '',
    `**For programs:** the base URL of an OpenAI client is \`${env.publicUrl}/v1\`. ` +
      'Every answer has an `x-request-id`, which names its log line and, of what went to vLLM, its usage record.',
  ].join('\n');
}

/** Tags in the order of work. */
export const TAGS: readonly [name: string, description: string][] = [
  ['Auth', 'Make an account, log in, stay logged in'],
  ['Account', 'Who I am'],
  ['API keys', 'What programs log in with'],
  ['Set-up', 'Clients set up without typing'],
  ['OpenAI-compatible', 'What programs call, with an API key'],
  ['Anthropic-compatible', 'The same for Claude Code and Anthropic’s SDKs'],
  ['Chat', 'The same with a session'],
  ['Usage and limits', 'What I used, and what is left'],
  [
    'Administration',
    'Accounts of others, and invitations; needs the role admin, as all that begins with this word',
  ],
  ['Administration: limits', 'What everyone, a user or a key may use'],
  ['Administration: usage', 'What all have used'],
  ['Administration: operation', 'What runs now, what vLLM says, and who changed what'],
  ['Health', 'For load balancers and this page'],
];
