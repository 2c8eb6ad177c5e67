'use strict';

const { readSchema } = require('./schema');
const { entityProblems } = require('./entities');

/** @returns what is wrong, a sentence each */
async function checkRoundTrip(db) {
  const problems = [];
  const empty = await readSchema(db);
  await db.runMigrations({ transaction: 'each' });
  const first = await readSchema(db);
  problems.push(...(await entityProblems(db)));
  for (let step = 0; step < db.migrations.length; step += 1)
    await db.undoLastMigration({ transaction: 'each' });
  const after = await readSchema(db);
  problems.push(...difference(after, empty).map((object) => `left behind by down: ${firstLine(object)}`));
  await db.runMigrations({ transaction: 'each' });
  const second = await readSchema(db);
  problems.push(
    ...difference(first, second).map((object) => `missing after the second up: ${firstLine(object)}`),
  );
  problems.push(
    ...difference(second, first).map((object) => `new after the second up: ${firstLine(object)}`),
  );
  console.log(
    `migrations: ${db.migrations.length}, objects: ${first.length}, entities: ${db.entityMetadatas.length}`,
  );
  if (db.migrations.length === 0 || first.length === 0) problems.push('no migrations were found');
  return problems;
}

function difference(these, those) {
  const known = new Set(those);
  return these.filter((object) => !known.has(object));
}

function firstLine(text) {
  return text.split('\n', 1)[0];
}

module.exports = { checkRoundTrip };
