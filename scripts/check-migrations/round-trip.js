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
  const left = difference(await readSchema(db), empty);
  problems.push(...left.map((object) => `left behind by down: ${firstLine(object)}`));
  problems.push(...(await secondUp(db, first)));
  console.log(
    `migrations: ${db.migrations.length}, objects: ${first.length}, entities: ${db.entityMetadatas.length}`,
  );
  if (db.migrations.length === 0 || first.length === 0) problems.push('no migrations were found');
  return problems;
}

async function secondUp(db, first) {
  try {
    await db.runMigrations({ transaction: 'each' });
  } catch (error) {
    return [`the second up failed: ${error.message}`];
  }
  const second = await readSchema(db);
  return [
    ...difference(first, second).map((object) => `missing after the second up: ${firstLine(object)}`),
    ...difference(second, first).map((object) => `new after the second up: ${firstLine(object)}`),
  ];
}

function difference(these, those) {
  const known = new Set(those);
  return these.filter((object) => !known.has(object));
}

function firstLine(text) {
  return text.split('\n', 1)[0];
}

module.exports = { checkRoundTrip };
