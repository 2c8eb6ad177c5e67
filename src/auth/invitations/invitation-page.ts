import { makePage } from '../pages/page';

const SCRIPT = `
const show = ({ username, api_key: key }) => {
  finish();
  document.querySelector('#key').textContent = key;
  document.querySelector('#base').textContent =
    location.origin + location.pathname.replace(/\\/auth\\/register\\/?$/, '') + '/v1';
  document.querySelector('section').hidden = false;
  say('The account ' + username + ' is made.', true);
};
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const [username, password, again] = ['username', 'password', 'again'].map((name) => form.elements[name].value);
  if (password !== again) return say('The two passwords are not the same.', false);
  form.elements.make.disabled = true;
  try {
    const answer = await send({ username, password, invitation: token });
    const body = await answer.json();
    if (answer.ok) return show(body);
    say(body.detail, false);
  } catch {
    say(
      'No answer came from the server. Try again in a moment. Should the link then not be valid any more, the account ' +
        'has been made: log in, and make another API key.',
      false,
    );
  }
  form.elements.make.disabled = false;
});
`;

/** Where the link of an invitation leads: the invited person makes an account, and sees its first API key once. */
export const INVITATION_PAGE = makePage({
  title: 'Make an account',
  script: SCRIPT,
  body: (rules) => `
<form method="post">
<label>Username <input name="username" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="new-password" aria-describedby="rules" required></label>
${rules}
<label>Password once more <input name="again" type="password" autocomplete="new-password" required></label>
<button name="make">Make account</button>
</form>
<p role="status"></p>
<section hidden>
<p>This is your first API key. It is shown here and never again: keep it now.</p>
<p><code id="key"></code></p>
<p>Programs use it with this base URL:</p>
<p><code id="base"></code></p>
</section>
<noscript><p>This page needs JavaScript. Without it: POST /auth/register, see /docs.</p></noscript>
`,
});
