import 'reflect-metadata';
import { DataSource } from 'typeorm';
import { dataSourceOptions } from '../../src/database/data-source-options';
import { onServer, SERVER_VARIABLE, TEMPLATE, urlOf } from './postgres';
import { startTestServer, TestServer } from './test-server';

declare global {
  var testServer: TestServer | undefined;
}

/** Starts one PostgreSQL for the run (or takes the one of TEST_DATABASE_URL) and migrates the template once. */
export default async function globalSetup(): Promise<void> {
  if (!process.env[SERVER_VARIABLE]) {
    globalThis.testServer = await startTestServer();
    process.env[SERVER_VARIABLE] = globalThis.testServer.url;
  }
  await onServer(`DROP DATABASE IF EXISTS ${TEMPLATE} WITH (FORCE)`);
  await onServer(`CREATE DATABASE ${TEMPLATE}`);
  const template = new DataSource(dataSourceOptions({ url: urlOf(TEMPLATE), poolSize: 1 }));
  await template.initialize();
  await template.runMigrations();
  await template.destroy();
}
