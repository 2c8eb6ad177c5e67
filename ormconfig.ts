import { DataSource } from 'typeorm';
import { loadDotEnv, loadEnv } from './src/config/load-env';
import { dataSourceOptions } from './src/database/data-source-options';

loadDotEnv();
const { DATABASE_URL } = loadEnv();
if (!DATABASE_URL)
  throw new Error('Set DATABASE_URL to the PostgreSQL server whose schema is to be migrated.');

export default new DataSource(dataSourceOptions({ url: DATABASE_URL }));
