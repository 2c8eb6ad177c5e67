import { setImmediate as next } from 'node:timers/promises';
import { createContext, runInContext } from 'node:vm';
import { Answer, send } from './send';

/** What a script of a page may touch: text alone. Markup it wrote by other means would be missing from `text`. */
interface PageElement {
  value: string;
  textContent: string;
  hidden: boolean;
}

/** A page as a browser has it: its script has run, over the little of a document that it may use, and looked at the link. */
export interface OpenedPage {
  readonly answer: Answer;
  /** What `location.hash` is by now. */
  hash(): string;
  /** The text of an element, by a selector the page uses. */
  text(selector: string): string;
  hidden(selector: string): boolean;
  field(name: string): string;
  /** Requests the page has sent, as [target, body]. */
  readonly requests: readonly (readonly [string, string])[];
  /** Types into the fields and presses the button. */
  submit(fields: Readonly<Record<string, string>>): Promise<void>;
}

/** Opens what a link leads to, at the server that listens on `url`. */
export async function openPage(url: string, pathAndHash: string): Promise<OpenedPage> {
  const at = new URL(url + pathAndHash);
  const answer = await send(at.origin + at.pathname + at.search);
  const element = (): PageElement & Record<string, unknown> => ({
    value: '',
    textContent: '',
    hidden: false,
    focus: () => undefined,
  });
  const elements: Record<string, ReturnType<typeof element>> = {};
  const named: Record<string, ReturnType<typeof element>> = Object.fromEntries(
    [...answer.text.matchAll(/<(?:input|button) name="(\w+)"/g)].map(([, name]) => [name, element()]),
  );
  let submitted: ((event: object) => unknown) | undefined;
  const form = Object.assign(element(), {
    hidden: /<form [^>]*hidden>/.test(answer.text),
    elements: named,
    querySelector: () => Object.values(named)[0],
    addEventListener: (_: string, listener: typeof submitted) => (submitted = listener),
    reset: () => Object.values(named).forEach((one) => (one.value = '')),
  });
  const location = { origin: at.origin, pathname: at.pathname, hash: at.hash };
  const requests: [string, string][] = [];
  const found = (selector: string) => {
    const hidden = new RegExp(`<${selector.replaceAll(/\W/g, '\\$&')} hidden>`).test(answer.text);
    return (elements[selector] ??= { ...element(), hidden });
  };
  const document = {
    querySelector: (selector: string) => (selector === 'form' ? form : found(selector)),
  };
  const [, script = ''] = /<script>([^]*?)<\/script>/.exec(answer.text) ?? [];
  runInContext(
    script,
    createContext({
      document,
      location,
      // Nobody puts another link into this one, or presses another button.
      addEventListener: () => undefined,
      history: { replaceState: () => (location.hash = '') },
      fetch: (target: string, sent: RequestInit) => {
        requests.push([target, String(sent.body)]);
        return fetch(target, sent);
      },
    }),
  );
  while (document.querySelector('[role=status]').textContent === 'One moment, please.') await next();
  return {
    answer,
    requests,
    hash: () => location.hash,
    text: (selector) => document.querySelector(selector).textContent,
    hidden: (selector) => document.querySelector(selector).hidden,
    field: (name) => named[name]?.value ?? '',
    submit: async (fields) => {
      for (const [name, value] of Object.entries(fields)) (named[name] as PageElement).value = value;
      await submitted?.({ preventDefault: () => undefined });
    },
  };
}
