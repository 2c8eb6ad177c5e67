import { readdirSync } from 'node:fs';
import { join } from 'node:path';

type Class = new (...args: never[]) => object;

/**
 * The classes that the modules of a folder export, those of its folders included. Not by a pattern, in which the
 * parentheses or brackets of a folder's own name would have a meaning.
 * @param ending what their names end with before .js, or .ts where tests compile them
 * @throws Error in one sentence when there are none: what is built is not whole then
 */
export function foundClasses(folder: string, ending: string): Class[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => [`${ending}.js`, `${ending}.ts`].some((end) => file.endsWith(end)))
    .filter((file) => !file.endsWith('.d.ts'))
    .sort();
  if (files.length === 0)
    throw new Error(`There is nothing in ${folder} that ends in ${ending}.js: run npm run build`);
  return files
    .flatMap((file) => Object.values(require(join(folder, file)) as Record<string, unknown>))
    .filter((exported): exported is Class => typeof exported === 'function');
}
