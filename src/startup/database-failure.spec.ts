import { databaseLabel } from './database-failure';

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
