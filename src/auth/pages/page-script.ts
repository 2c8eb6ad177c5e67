import { USERNAME_RULES } from '../../users/username';

const NAME_FAULT = `Choose another username: ${USERNAME_RULES}`;

/**
 * What runs in the browser on every page before its own script: the link is looked at when it is opened, and what the API
 * answers is told as people talk.
 *
 * The token stands behind the #, which browsers keep to themselves; it leaves them in the body of requests alone. Those go
 * to where the page came from, whatever path a proxy puts in front. Texts are shown as text alone, never as HTML.
 */
export const PAGE_SCRIPT = `
const form = document.querySelector('form');
const note = document.querySelector('[role=status]');
const heading = document.querySelector('h1');
const token = location.hash.slice(1);
const here = location.origin + location.pathname.replace(/\\/$/, '');
const say = (text, good) => {
  note.textContent = text;
  note.className = good === undefined ? '' : good ? 'good' : 'bad';
};
const send = (fields, path = '') =>
  fetch(here + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(fields),
  });
const close = () => {
  form.reset();
  form.hidden = true;
};
const finish = (title) => {
  close();
  heading.textContent = document.title = title;
  document.querySelector('section').hidden = false;
  history.replaceState(null, '', location.pathname);
};

// The API speaks of its fields, to programs; people see none of them.
const FIELDS = { username: 'The username', password: 'The password', new_password: 'The password' };
const SENTENCES = {
  busy: 'The server has too much to do at the moment. Try again shortly.',
  database_unavailable: 'The server cannot do this at the moment. Try again shortly.',
  body_too_large: 'What you have typed is too long.',
};
const NO_LINK =
  'This link does not work (any more): it works once, and for a limited time. Ask an administrator for a new one.';
const DEAD = {
  invalid_reset_token: NO_LINK,
  invitation_required: NO_LINK,
  registration_closed: 'No accounts are made here at the moment. Ask an administrator for one.',
};
const isDead = ({ code, param }) =>
  code in DEAD || (code === 'invalid_request' && ['token', 'invitation'].includes(param));
const sentenceOf = ({ code, param, detail }) => {
  if (code === 'invalid_request' && param === 'username') return ${JSON.stringify(NAME_FAULT)};
  if (code in SENTENCES) return SENTENCES[code];
  const text = param in FIELDS && detail.startsWith(param + ' ') ? FIELDS[param] + detail.slice(param.length) : detail;
  return /[.!?]$/.test(text) ? text : text + '.';
};
const tell = (answer, problem) => {
  if (isDead(problem)) {
    close();
    say(DEAD[problem.code] ?? NO_LINK, false);
  } else if (answer.status === 500) {
    const id = answer.headers.get('x-request-id');
    say('Something went wrong at the server. Try again; if that does not help, give an administrator this number: ' + id, false);
  } else {
    say(sentenceOf(problem), false);
  }
};

// Whether the link works at all is told before anything is typed. What else goes wrong here goes wrong again on sending.
const check = async (field) => {
  if (token === '') {
    return say('This link is not complete (copy all of it), or it has done its work here already.', false);
  }
  say('One moment, please.');
  try {
    const answer = await send({ [field]: token }, '/check');
    const problem = answer.ok ? null : await answer.json();
    if (problem && isDead(problem)) return tell(answer, problem);
    if (answer.status === 429) tell(answer, problem);
    else say('');
  } catch {
    say('');
  }
  form.hidden = false;
  form.querySelector('input').focus();
};

const press = async ({ target }) => {
  const from = target.dataset?.copies && document.getElementById(target.dataset.copies);
  if (!from) return;
  target.dataset.label ??= target.textContent;
  try {
    await navigator.clipboard.writeText(from.textContent);
    target.textContent = 'Copied';
  } catch {
    // Without TLS browsers have no clipboard, but for what is selected.
    getSelection().selectAllChildren(from);
    target.textContent = document.execCommand('copy') ? 'Copied' : 'Selected';
  }
  setTimeout(() => (target.textContent = target.dataset.label), 2000);
};
addEventListener('click', press);
// Another link in the same tab differs behind the # alone, for which a browser loads nothing by itself.
addEventListener('hashchange', () => location.reload());
`;
