'use strict';
const { spawn, spawnSync } = require('node:child_process');
const { mkdirSync, mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { childrenOf, cpuOf, memoryOf, stop } = require('../processes');

/** nginx as a plain reverse proxy with one worker; null when it is not installed. */
async function startNginx({ upstreamPort, port }) {
  const found = spawnSync('nginx', ['-v']);
  if (found.error) return null;
  const directory = mkdtempSync(join(tmpdir(), 'llm-gateway-nginx-'));
  mkdirSync(join(directory, 'logs'));
  writeFileSync(join(directory, 'nginx.conf'), configuration(upstreamPort, port));
  const child = spawn('nginx', ['-p', directory, '-c', 'nginx.conf', '-g', 'daemon off;'], {
    stdio: 'ignore',
  });
  const worker = await workerOf(child.pid);
  return {
    name: 'nginx',
    version: String(found.stderr).trim().split('/').at(-1),
    port,
    key: 'none',
    cpu: () => cpuOf(worker),
    memory: () => memoryOf(worker),
    stop: async () => {
      await stop(child);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function workerOf(master) {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const [worker] = childrenOf(master);
    if (worker) return worker;
    await sleep(20);
  }
  throw new Error('nginx did not start');
}

function configuration(upstreamPort, port) {
  return `
${process.getuid() === 0 ? 'user root;' : ''}
worker_processes 1;
pid nginx.pid;
error_log logs/error.log;
events { worker_connections 32768; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_body_buffer_size 64k;
  keepalive_requests 100000000;
  upstream vllm { server 127.0.0.1:${upstreamPort}; keepalive 1024; keepalive_timeout 4s; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://vllm;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
`;
}

module.exports = { startNginx };
