/** How the pages look, by day and by night, on a telephone and on a desk. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --text: #1f2328; --quiet: #59636e; --ground: #fff; --raised: #f3f4f6; --edge: #8c959f;
  --button: #0a5dc2; --on-button: #fff; --bad: #a40000; --good: #006400;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e6e6e6; --quiet: #a8b0b9; --ground: #181818; --raised: #2a2a2a; --edge: #7d8590;
    --button: #6cb0ff; --on-button: #0b1a2b; --bad: #ff8a80; --good: #8fd98f;
  }
}
* { box-sizing: border-box }
body {
  max-width: 28rem; margin: 0 auto; padding: clamp(1.25rem, 8vh, 6rem) 1rem 3rem;
  font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--ground);
}
[hidden] { display: none !important }
header { margin-bottom: 1.5rem; color: var(--quiet); overflow-wrap: anywhere }
header b { display: block; color: var(--text) }
h1 { margin: 0 0 1rem; font-size: 1.5rem; line-height: 1.25 }
h2 { margin: 2rem 0 .25rem; font-size: 1rem }
p { margin: .25rem 0 .75rem; overflow-wrap: anywhere }
a { color: var(--button) }
label { display: block; margin-top: 1.25rem }
form p { color: var(--quiet); font-size: .875rem }
input {
  display: block; width: 100%; margin-top: .25rem; padding: .625rem .75rem; font: inherit;
  color: inherit; background: var(--ground); border: 1px solid var(--edge); border-radius: 6px;
}
button { padding: .625rem 1.25rem; font: inherit; border: 1px solid transparent; border-radius: 6px; cursor: pointer }
form button { margin-top: 1.5rem; font-weight: 600; color: var(--on-button); background: var(--button) }
button:disabled { opacity: .6; cursor: default }
:focus-visible { outline: 2px solid var(--button); outline-offset: 2px }
[role=status] { min-height: 1.5em; margin-top: 1rem }
.bad { color: var(--bad) } .good { color: var(--good) }
.copied { display: flex; gap: .5rem; align-items: start; margin-bottom: 1rem }
.copied code {
  flex: 1; min-width: 0; padding: .5rem .75rem; font-size: .875rem; overflow-wrap: anywhere; user-select: all;
  background: var(--raised); border-radius: 6px;
}
.copied button {
  flex: none; width: 6rem; padding: .5rem 0; font-size: .875rem; color: var(--text); background: var(--ground);
  border-color: var(--edge);
}
`;
