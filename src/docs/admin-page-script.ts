/**
 * Runs in the browser with DOCS_ACCESS=admin. The page starts with the public routes alone; once its Authorize
 * button has an administrator's session, it fetches the whole document with it.
 */
export const ADMIN_PAGE_SCRIPT = `
window.addEventListener('load', () => {
  let used;
  // Beside the page, under whatever path a proxy serves it.
  const whole = location.pathname.replace(/\\/docs(\\/(index\\.html)?)?$/, '/docs-json');
  const load = async () => {
    const token = window.ui.authSelectors.authorized().getIn(['session', 'token', 'access_token']);
    if (!token || token === used) return;
    used = token;
    const answer = await fetch(whole, { headers: { authorization: 'Bearer ' + token } });
    if (answer.ok) window.ui.specActions.updateSpec(await answer.text());
    else if (answer.status === 403) alert('The whole document needs the session of an administrator.');
  };
  window.ui.getStore().subscribe(load);
  load();
});
`;
