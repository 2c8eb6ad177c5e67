import { createHash } from 'node:crypto';

// The token stands behind the #, which browsers keep to themselves; it leaves them in the body of one request.
const SCRIPT = `
const form = document.querySelector('form');
const note = document.querySelector('[role=status]');
const token = location.hash.slice(1);
const say = (text, good) => {
  note.textContent = text;
  note.className = good ? 'good' : 'bad';
};
const done = () => {
  form.hidden = true;
  history.replaceState(null, '', location.pathname);
  say('The password is set. You can close this page and log in.', true);
};
const send = (password) =>
  fetch('/auth/password-reset', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, new_password: password }),
  });
if (token === '') {
  form.hidden = true;
  say('This link is not complete: copy all of it.', false);
}
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const [password, again] = ['password', 'again'].map((name) => form.elements[name].value);
  if (password !== again) return say('The two are not the same.', false);
  form.elements.set.disabled = true;
  try {
    const answer = await send(password);
    if (answer.ok) return done();
    say((await answer.json()).detail, false);
  } catch {
    say('The server cannot be reached. Try again in a moment.', false);
  }
  form.elements.set.disabled = false;
});
`;

const STYLE = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 24rem; margin: 10vh auto; padding: 0 1rem; color: #222; background: #fff }
h1 { font-size: 1.4rem }
label { display: block; margin: 1rem 0 }
input { display: block; width: 100%; box-sizing: border-box; padding: .5rem; font: inherit }
button { padding: .5rem 1.5rem; font: inherit }
.bad { color: #a40000 } .good { color: #006400 }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #181818 } .bad { color: #ff8a80 } .good { color: #8fd98f }
}
`;

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** This script, this style and requests to this origin: nothing else runs or is asked. */
export const PASSWORD_PAGE_POLICY = [
  "default-src 'none'",
  `script-src ${hashOf(SCRIPT)}`,
  `style-src ${hashOf(STYLE)}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Where a password link leads: the user chooses a password. The same for everybody. */
export const PASSWORD_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Set a password</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Set a password</h1>
<form method="post">
<label>New password <input name="password" type="password" autocomplete="new-password" required autofocus></label>
<label>Once more <input name="again" type="password" autocomplete="new-password" required></label>
<button name="set">Set password</button>
</form>
<p role="status"></p>
<noscript><p>This page needs JavaScript. Without it: POST /auth/password-reset, see /docs.</p></noscript>
<script>${SCRIPT}</script>
</body>
</html>
`;
