'use strict';
const { keyId, userId } = require('../admission/database');
const { median } = require('../measure');
const { RARE_MODEL } = require('./year');

/** Somebody whom every size of database has. */
const SOMEBODY = 777;
const DAY_MS = 86_400_000;
const dayBefore = (days) => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);
/** The calendar month before this one, and the 365 days until today. */
const lastMonth = () => {
  const now = new Date();
  const day = (month, date) =>
    new Date(Date.UTC(now.getUTCFullYear(), month, date)).toISOString().slice(0, 10);
  return `from=${day(now.getUTCMonth() - 1, 1)}&to=${day(now.getUTCMonth(), 0)}`;
};
const wholeYear = () => `from=${dayBefore(364)}&to=${dayBefore(0)}`;
/** A range of which no leaders are kept: who used most in it is known when all are added up. */
const nearlyAYear = () => `from=${dayBefore(363)}&to=${dayBefore(0)}`;
/** The calendar month, and the calendar year, until today. */
const thisMonth = () => `from=${dayBefore(0).slice(0, 8)}01&to=${dayBefore(0)}`;
const thisYear = () => `from=${dayBefore(0).slice(0, 5)}01-01&to=${dayBefore(0)}`;

const list = (path, queries, deep = 0) =>
  queries.map((query) => ({ path: query === '' ? path : `${path}?${query}`, deep }));

/** Every list and report page: a name, its path, and behind how many pages of a hundred it begins. */
function pages() {
  const sorts = ['created_at', 'username', '-username', 'last_login_at', '-last_login_at'];
  const filters = [
    'role=admin',
    'status=disabled',
    `search=user${SOMEBODY}`,
    'search=user',
    'search=nobody-like-this',
  ];
  const groups = ['user', 'key', 'model', 'day'];
  const records = ['', `user_id=${userId(SOMEBODY)}`, `key_id=${keyId(SOMEBODY)}`, 'model=model-1'];
  records.push(`model=${RARE_MODEL}`, 'outcome=client_closed', 'outcome=rejected');
  return [
    ...list('/admin/users', ['', ...sorts.map((sort) => `sort=${sort}`), ...filters]),
    ...list('/admin/users', [''], 5),
    ...[lastMonth(), wholeYear()].flatMap((range) =>
      groups.flatMap((group) =>
        list(
          '/admin/usage',
          ['', '&sort=-tokens', '&sort=name'].map((sort) => `group_by=${group}${sort}&${range}`),
        ),
      ),
    ),
    ...list(
      '/admin/usage',
      [thisMonth(), thisYear()].flatMap((range) =>
        ['user', 'key'].map((group) => `group_by=${group}&sort=-tokens&${range}`),
      ),
    ),
    ...list('/admin/usage', [
      `sort=name&model=${RARE_MODEL}&${lastMonth()}`,
      `sort=name&model=${RARE_MODEL}&${wholeYear()}`,
    ]),
    ...list('/admin/usage', [`group_by=day&user_id=${userId(SOMEBODY)}&${wholeYear()}`]),
    ...list('/admin/usage/records', records),
    ...list('/admin/usage/records', [''], 5),
    ...list('/admin/audit-log', ['', `actor_id=${userId(2)}`, `subject_id=${userId(SOMEBODY)}`]),
    ...list('/admin/audit-log', ['action=limit.put']),
    ...list('/admin/limits', [
      '',
      'subject=key',
      'set_by=self',
      'metric=requests',
      `subject_id=${userId(SOMEBODY)}`,
    ]),
    ...list('/admin/invitations', ['', 'status=open', 'sort=expires_at', 'search=for+77']),
    ...list('/users/usage', ['', wholeYear()]),
    ...list('/users/usage/records', ['']),
    ...list('/v1/usage', ['']),
  ];
}

/** The path of the page that begins behind so many pages of a hundred. */
async function behind(one, { path, deep }) {
  let at = path;
  for (let page = 0; page < deep; page += 1) {
    const { next_cursor: cursor } = await one.get(`${path}?limit=100${page === 0 ? '' : cursorIn(at)}`);
    if (cursor === null) break;
    at = `${path}?cursor=${encodeURIComponent(cursor)}`;
  }
  return at;
}

const cursorIn = (path) => `&${path.slice(path.indexOf('?') + 1)}`;

/** The median time of every page on both, or of those whose names hold a part that is asked for, in turns. */
async function measurePages({ small, large }, { only, requests, patience, progress }) {
  const rows = [];
  const chosen = pages().filter((page) => !only || only.some((part) => nameOf(page).includes(part)));
  for (const page of chosen) {
    const paths = [await behind(small, page), await behind(large, page)];
    // The first time a page is read from disk.
    await small.time(paths[0]);
    await large.time(paths[1]);
    const times = [[], []];
    const until = performance.now() + patience;
    for (let round = 0; round < requests || times[1].length < 3; round += 1) {
      times[0].push(await small.time(paths[0]));
      // A page of seconds is known well enough after a few.
      if (times[1].length < 3 || performance.now() < until) times[1].push(await large.time(paths[1]));
    }
    const row = { page: nameOf(page), small: median(times[0]), large: median(times[1]) };
    rows.push({ ...row, ratio: row.large / row.small, requests: times[1].length });
    progress(`${row.page}: ${row.small.toFixed(1)} and ${row.large.toFixed(1)} ms`);
  }
  return rows;
}

function nameOf({ path, deep }) {
  const short = path
    .replace(lastMonth(), 'a month')
    .replace(wholeYear(), 'a year')
    .replace(thisMonth(), 'this month')
    .replace(thisYear(), 'this year')
    .replaceAll(/00000000-0000-7000-[89]000-0+/g, '#');
  return deep > 0 ? `${short}, behind ${deep * 100}` : short;
}

module.exports = { measurePages, nearlyAYear, wholeYear };
