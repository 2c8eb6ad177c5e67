import { makePage } from '../pages/page';

const SCRIPT = `
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const [password, again] = ['password', 'again'].map((name) => form.elements[name].value);
  if (password !== again) return say('The two are not the same.', false);
  form.elements.set.disabled = true;
  try {
    const answer = await send({ token, new_password: password });
    if (answer.ok) {
      finish();
      return say('The password is set. You can close this page and log in.', true);
    }
    say((await answer.json()).detail, false);
  } catch {
    say('The server cannot be reached. Try again in a moment.', false);
  }
  form.elements.set.disabled = false;
});
`;

/** Where a password link leads: the user chooses a password. */
export const PASSWORD_PAGE = makePage({
  title: 'Set a password',
  script: SCRIPT,
  body: (rules) => `
<form method="post">
<label>New password <input name="password" type="password" autocomplete="new-password" aria-describedby="rules" required autofocus></label>
${rules}
<label>Once more <input name="again" type="password" autocomplete="new-password" required></label>
<button name="set">Set password</button>
</form>
<p role="status"></p>
<noscript><p>This page needs JavaScript. Without it: POST /auth/password-reset, see /docs.</p></noscript>
`,
});
