/**
 * Runs in the browser: what the page keeps of a log-in over a reload is what it needs to go on, in a store that every
 * script of this origin can read and that outlives the session. Swagger UI would keep the password and the refresh token, too.
 */
export const FORGET_SECRETS_SCRIPT = `
(() => {
  const KEY = 'authorized';
  const withoutSecrets = (text) => {
    const kept = {};
    for (const [name, scheme] of Object.entries(JSON.parse(text))) {
      const { password, clientSecret, client_secret, token, ...rest } = scheme;
      const { refresh_token, ...usable } = token ?? {};
      kept[name] = token ? { ...rest, token: usable } : rest;
    }
    return JSON.stringify(kept);
  };
  // Of the store itself nothing can be replaced: what is set on it becomes an entry.
  const write = Storage.prototype.setItem;
  Storage.prototype.setItem = function setItem(key, value) {
    return write.call(this, key, key === KEY ? withoutSecrets(value) : value);
  };
  // What an earlier version of this page left.
  const left = localStorage.getItem(KEY);
  if (left) localStorage.setItem(KEY, left);
})();
`;
