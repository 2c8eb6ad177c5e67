'use strict';

/** Of what `measureAdmission` gives, in the form of bench/goals.js. Rates are of the machine and have no gate. */
const ADMISSION_GOALS = [
  {
    id: '',
    from: 'admission',
    name: 'admission with settlement, one hot user / bare UPDATE',
    read: (f) => f.hot.ratio,
    goal: 2.5,
    gate: 1.2,
    least: true,
  },
  {
    id: '',
    from: 'admission',
    name: 'admissions a second, one hot user',
    read: (f) => f.hot.ours.rate,
    goal: 5_000,
    least: true,
  },
  {
    id: '',
    from: 'admission',
    name: 'admission with settlement, spread / bare UPDATE',
    read: (f) => f.spread.ratio,
    goal: 0.5,
    gate: 0.25,
    least: true,
  },
  {
    id: '',
    from: 'admission',
    name: 'admissions a second, spread',
    read: (f) => f.spread.ours.rate,
    goal: 3_000,
    least: true,
  },
  {
    id: 'P6',
    from: 'admission',
    name: 'admission p50 at 300 requests/s / bare UPDATE',
    read: (f) => f.latency.ratio,
    goal: 2.2,
  },
  {
    id: '',
    from: 'admission',
    name: 'PostgreSQL CPU a request / bare UPDATE, the worse of hot and spread',
    read: (f) => Math.max(f.hot.postgresRatio, f.spread.postgresRatio),
    goal: 3,
    gate: 5,
  },
  {
    id: '',
    from: 'admissionLarge',
    name: 'a million users, one hot user: times slower',
    read: (f) => f.hot.slower,
    goal: 1.15,
    gate: 1.5,
  },
  {
    id: '',
    from: 'admissionLarge',
    name: 'a million users, spread over all: times slower',
    read: (f) => f.spread.slower,
    goal: 2,
    gate: 3,
  },
];

module.exports = { ADMISSION_GOALS };
