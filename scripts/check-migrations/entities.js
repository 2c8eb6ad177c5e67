'use strict';
// Migrations are plain SQL with checks, partial indexes and functions that entities do not tell of, so TypeORM's own
// comparison is of no use. What must agree: every mapped column exists, with its type and nullability.

/** @returns what entities expect and the schema does not have, a sentence each */
async function entityProblems(db) {
  const rows = await db.query(`
    SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, NULL) AS type, NOT a.attnotnull AS nullable
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped`);
  const columns = new Map(rows.map((row) => [`${row.table}.${row.column}`, row]));
  return db.entityMetadatas.flatMap((entity) =>
    entity.columns.flatMap((mapped) => {
      const name = `${entity.tableName}.${mapped.databaseName}`;
      const found = columns.get(name);
      if (!found) return [`entity ${entity.name}: there is no column ${name}`];
      const type = db.driver.normalizeType(mapped) + (mapped.isArray ? '[]' : '');
      return [
        ...(type === found.type ? [] : [`entity ${entity.name}: ${name} is ${found.type}, not ${type}`]),
        ...(mapped.isNullable === found.nullable
          ? []
          : [`entity ${entity.name}: ${name} is ${found.nullable ? '' : 'not '}nullable`]),
      ];
    }),
  );
}

module.exports = { entityProblems };
