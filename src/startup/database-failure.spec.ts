import { databaseFailure, databaseLabel } from './database-failure';

describe('the name of a database', () => {
  it.each([
    ['postgres://gateway:secret@db.example.com:5433/usage', 'gateway@db.example.com:5433/usage'],
    ['postgres://gateway:secret@%2Frun%2Fpostgresql/usage', 'gateway@/run/postgresql/usage'],
    ['postgres://gateway:secret@/usage?host=/run/postgresql', 'gateway@/run/postgresql/usage'],
    ['postgres:///usage', 'localhost/usage'],
  ])('%s is without its password', (url, label) => {
    expect(databaseLabel(url)).toBe(label);
  });
});

describe('a database that cannot be used', () => {
  const url = 'postgres://gateway:secret@db/usage';

  it("is told with PostgreSQL's own reason when it lets nobody in", () => {
    const message =
      'no pg_hba.conf entry for host "10.0.0.7", user "gateway", database "usage", no encryption';
    const error = Object.assign(new Error(message), { code: '28000' });
    expect(databaseFailure(error, url).message).toBe(
      `DATABASE_URL: gateway@db/usage does not let this user in: ${message}.`,
    );
  });
});
