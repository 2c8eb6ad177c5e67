'use strict';
// npm run openapi: writes openapi.json, the document of /docs-json, from the routes as they are in the sources. Needs no
// database and no vLLM. It is that of the default settings, so it changes with the sources and, in examples of times to
// come, with the month.

require('./start/node-version');
const { writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { buildIfNeeded } = require('./start/build');

const root = join(__dirname, '..');
const src = join(root, 'dist', 'src');

const PURPOSE =
  'npm run openapi -- [file] is all there is to say: it writes the OpenAPI document, into openapi.json unless a file is named.';

async function main() {
  const [file = join(root, 'openapi.json'), ...more] = process.argv.slice(2);
  if (more.length > 0 || file.startsWith('-')) throw new Error(PURPOSE);
  await buildIfNeeded(root);
  const { NestFactory } = require('@nestjs/core');
  const { AppModule } = require(join(src, 'app.module.js'));
  const { loadEnv } = require(join(src, 'config', 'load-env.js'));
  const { buildDocument } = require(join(src, 'docs', 'document.js'));
  const { HotExpressAdapter } = require(join(src, 'http', 'hot-express-adapter.js'));
  const env = loadEnv({});
  // In preview Nest reads modules and decorators and makes nothing: no connection is opened.
  const options = { preview: true, logger: false, abortOnError: false };
  const app = await NestFactory.create(AppModule.forEnv(env), new HotExpressAdapter(), options);
  writeFileSync(file, `${JSON.stringify(buildDocument(app, env), null, 2)}\n`);
  process.stdout.write(`${file}\n`);
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
