/** Runs in the browser: a link to an error (`/docs#errors-<code>`) opens the list and shows that entry. */
export const ERROR_LINK_SCRIPT = `
(() => {
  const show = () => {
    // Swagger UI takes the hash for a link to a tag, and puts a slash before it.
    const id = /^#\\/?(errors-\\w+)$/.exec(location.hash)?.[1];
    const entry = id && document.getElementById(id);
    if (!entry) return false;
    entry.closest('details').open = true;
    entry.scrollIntoView({ block: 'center' });
    entry.style.fontWeight = 'bold';
    return true;
  };
  // The page is drawn by a script: the entry comes after the load.
  const drawing = new MutationObserver(() => show() && drawing.disconnect());
  window.addEventListener('load', () => show() || drawing.observe(document.body, { childList: true, subtree: true }));
  window.addEventListener('hashchange', show);
})();
`;
