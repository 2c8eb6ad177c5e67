import { passwordRules } from '../../users/password-rules';
import { USERNAME_RULES } from '../../users/username';
import { copied, nextSteps } from '../pages/next-steps';
import { asHtml, makePage } from '../pages/page';

const SCRIPT = `
check('invitation');
const show = ({ username, api_key: key }) => {
  finish('Your account');
  document.querySelector('#key').textContent = key;
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
    tell(answer, body);
  } catch {
    say(
      'No answer came from the server. Try again in a moment. Should the link then not work any more, the account ' +
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
  body: (env) => `
<form method="post" hidden>
<label>Username <input name="username" autocomplete="username" autocapitalize="none" spellcheck="false" aria-describedby="name-rules" required></label>
<p id="name-rules">${asHtml(USERNAME_RULES.replace(/^./, (first) => first.toUpperCase()))}</p>
<label>Password <input name="password" type="password" autocomplete="new-password" aria-describedby="rules" required></label>
<p id="rules">${passwordRules(env.PASSWORD_MIN)}</p>
<label>Password once more <input name="again" type="password" autocomplete="new-password" required></label>
<button name="make">Make account</button>
</form>
<p role="status"></p>
<section hidden>
<h2>Your API key</h2>
<p>Programs log in with it. It is shown here and never again: keep it now.</p>
${copied('key')}
${nextSteps(env).trim()}
</section>
<noscript><p>This page needs JavaScript. Without it: POST /auth/register.</p></noscript>
`,
});
