import { passwordRules } from '../../users/password-rules';
import { nextSteps } from '../pages/next-steps';
import { makePage } from '../pages/page';

const SCRIPT = `
check('token');
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const [password, again] = ['password', 'again'].map((name) => form.elements[name].value);
  if (password !== again) return say('The two are not the same.', false);
  form.elements.set.disabled = true;
  try {
    const answer = await send({ token, new_password: password });
    if (answer.ok) {
      finish('Your new password');
      return say('The password is set. Wherever you were logged in, log in with it again.', true);
    }
    tell(answer, await answer.json());
  } catch {
    say(
      'No answer came from the server. Try again in a moment. Should the link then not work any more, the password has ' +
        'been set: log in with it.',
      false,
    );
  }
  form.elements.set.disabled = false;
});
`;

/** Where a password link leads: the user chooses a password. */
export const PASSWORD_PAGE = makePage({
  title: 'Set a password',
  script: SCRIPT,
  body: (env) => `
<form method="post" hidden>
<label>New password <input name="password" type="password" autocomplete="new-password" aria-describedby="rules" required></label>
<p id="rules">${passwordRules(env.PASSWORD_MIN)}</p>
<label>Once more <input name="again" type="password" autocomplete="new-password" required></label>
<button name="set">Set password</button>
</form>
<p role="status"></p>
<section hidden>
<p>API keys you have go on as before: programs need no password.</p>
${nextSteps(env).trim()}
</section>
<noscript><p>This page needs JavaScript. Without it: POST /auth/password-reset.</p></noscript>
`,
});
