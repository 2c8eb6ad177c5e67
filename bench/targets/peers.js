'use strict';
const { spawnSync } = require('node:child_process');
const { existsSync, mkdirSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { freePort } = require('../ports');
const { cpuOf, memoryOf, start, stop } = require('../processes');

const PORTKEY = '@portkey-ai/gateway';
const PORTKEY_VERSION = '1.15.2';

/**
 * Other gateways, measured in the same rounds. Each `--peer name=url` is one that runs already, set up by whoever
 * runs it to ask the upstream of the benchmark (`--upstream-port` makes its port known beforehand); after it,
 * `--peer-key`, `--peer-model` and `--peer-pid` say what to send, and whose CPU to count.
 */
function peersOf(args) {
  const peers = [];
  for (let at = 0; at < args.length; at += 1) {
    const value = args[at + 1] ?? '';
    if (args[at] === '--peer') peers.push(peerOf(value));
    const peer = peers.at(-1);
    if (args[at] === '--peer-key') peer.key = value;
    if (args[at] === '--peer-model') peer.model = value;
    if (args[at] === '--peer-pid') watch(peer, Number(value));
  }
  return peers;
}

function peerOf(text) {
  const [, name, address] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (!name)
    throw new Error('--peer wants name=url, such as litellm=http://127.0.0.1:4000/v1/chat/completions');
  const url = new URL(address);
  if (url.protocol !== 'http:' || !['127.0.0.1', 'localhost'].includes(url.hostname))
    throw new Error(`${name}: load is only made on this machine, over http: give an address of 127.0.0.1.`);
  const path = url.pathname === '/' ? '/v1/chat/completions' : url.pathname;
  return { name, port: Number(url.port || 80), path, key: 'none', stop: () => undefined };
}

function watch(peer, pid) {
  peer.cpu = () => cpuOf(pid);
  peer.memory = () => memoryOf(pid);
}

/** Portkey's gateway, fetched with npm when it is first asked for; null, with a sentence, when it cannot be had. */
async function startPortkey({ upstreamPort, say }) {
  const directory = join(tmpdir(), `llm-gateway-bench-portkey-${PORTKEY_VERSION}`);
  const program = join(directory, 'node_modules', PORTKEY, 'build', 'start-server.js');
  if (!existsSync(program)) {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'package.json'), '{"private":true}');
    const install = [
      'install',
      '--no-audit',
      '--no-fund',
      '--ignore-scripts',
      `${PORTKEY}@${PORTKEY_VERSION}`,
    ];
    spawnSync('npm', install, { cwd: directory, stdio: 'ignore', timeout: 120_000 });
  }
  if (!existsSync(program)) {
    say(`${PORTKEY} ${PORTKEY_VERSION} could not be installed with npm: its column is left out.`);
    return null;
  }
  const port = await freePort();
  const { child } = await start(process.execPath, [program, '--headless', `--port=${port}`], {
    label: 'Portkey',
    ready: /ready|running/i,
    cwd: directory,
    env: { NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' },
  });
  const peer = {
    name: 'portkey',
    port,
    key: 'none',
    headers: {
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `http://127.0.0.1:${upstreamPort}/v1`,
    },
    stop: () => stop(child),
  };
  watch(peer, child.pid);
  return peer;
}

module.exports = { peersOf, startPortkey };
