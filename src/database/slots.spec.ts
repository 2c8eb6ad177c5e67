import { ApiException } from '../common/api.exception';
import { Slots } from './slots';

const PATIENT_MS = 60_000;
const busy = () => new ApiException({ status: 503, code: 'busy', message: 'Too many.' });

describe('Slots', () => {
  it('lets so many run, and others in the order in which they came', async () => {
    const slots = new Slots(2, busy);
    const entered: number[] = [];
    for (const n of [1, 2, 3, 4]) void slots.take(PATIENT_MS).then(() => entered.push(n));
    await turn();
    expect(entered).toEqual([1, 2]);
    slots.give();
    // Whoever comes as one is given is behind those who wait.
    void slots.take(PATIENT_MS).then(() => entered.push(5));
    await turn();
    expect(entered).toEqual([1, 2, 3]);
    for (let n = 0; n < 5; n += 1) slots.give();
    await turn();
    expect(entered).toEqual([1, 2, 3, 4, 5]);
  });

  it('refuses who has waited long enough, and lets the next one have their turn', async () => {
    const slots = new Slots(1, busy);
    await slots.take(PATIENT_MS);
    const impatient = slots.take(1);
    const patient = slots.take(PATIENT_MS);
    await expect(impatient).rejects.toMatchObject({ code: 'busy' });
    slots.give();
    await patient;
    slots.give();
    await slots.take(1);
  });

  it('refuses who finds the line full, and nobody in it', async () => {
    const slots = new Slots(1, busy, 1);
    await slots.take(PATIENT_MS);
    const waiting = slots.take(PATIENT_MS);
    await expect(slots.take(PATIENT_MS)).rejects.toMatchObject({ code: 'busy' });
    slots.give();
    await waiting;
    const next = slots.take(PATIENT_MS);
    slots.give();
    await next;
  });
});

const turn = () => new Promise(setImmediate);
