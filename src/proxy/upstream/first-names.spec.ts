import { firstNamesOf } from './first-names';

const card = (id: string, root: string, parent: string | null = null) => ({
  id,
  root,
  parent,
  maxModelLen: 4_096,
});
const namesOf = (...lists: (ReturnType<typeof card>[] | null)[]) =>
  Object.fromEntries(firstNamesOf(lists.map((served) => ({ served }))));

describe('first names of served models', () => {
  it('are those that vLLM lists first of the names of its model', () => {
    expect(namesOf([card('a', 'm'), card('b', 'm'), card('c', 'm')])).toEqual({ a: 'a', b: 'a', c: 'a' });
  });

  it('leave adapters, which are models of their own, as they are', () => {
    const list = [card('a', 'm'), card('b', 'm'), card('tuned', 'path', 'a'), card('again', 'path', 'a')];
    expect(namesOf(list)).toEqual({ a: 'a', b: 'a', tuned: 'tuned', again: 'again' });
  });

  it('are the same when another server lists them in another order, or only some', () => {
    const both = { a: 'a', b: 'a' };
    expect(namesOf([card('a', 'm'), card('b', 'm')], [card('b', 'm'), card('a', 'm')])).toEqual(both);
    expect(namesOf([card('a', 'm'), card('b', 'm')], [card('b', 'm')])).toEqual(both);
    expect(namesOf([card('b', 'm')], [card('a', 'm'), card('b', 'm')])).toEqual({ b: 'b', a: 'b' });
    expect(namesOf([card('a', 'm')], [card('b', 'm')], [card('b', 'm'), card('a', 'm')])).toEqual({
      a: 'b',
      b: 'b',
    });
  });

  it('keep apart what two servers have under names of their own, also of one root', () => {
    expect(namesOf([card('quick', 'm')], null, [card('patient', 'm')])).toEqual({
      quick: 'quick',
      patient: 'patient',
    });
  });
});
