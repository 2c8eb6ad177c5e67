import { setFlagsFromString } from 'node:v8';

/**
 * Makes V8 allocate all objects as young ones. It would take a kind of object for lasting after some of it, such as the
 * rows of one page, were in use while young objects were collected; from then on every row stays until the next full
 * collection, with the texts it refers to, and a download of all records grows the process by 150 MB and more.
 */
export const keepObjectsYoung = (): void => setFlagsFromString('--no-allocation-site-pretenuring');
