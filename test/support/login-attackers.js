'use strict';
// Runs in a thread of its own: tries passwords as fast as it is answered, and posts what it was told. In the thread of a
// test it would delay what that measures.

const { Agent, request } = require('node:http');
const { parentPort, workerData } = require('node:worker_threads');

const { url, attackers, ms, owner } = workerData;
const agent = new Agent({ keepAlive: true, maxSockets: attackers });
const until = performance.now() + ms;
/** How often each answer came, such as `401 invalid_grant`. */
const answers = {};
let attempts = 0;

function attempt() {
  attempts += 1;
  // Half of them try accounts there are not, half of them one there is; now and then with the right password. Each comes
  // from an address of its own: no throttle keeps the password from being hashed.
  const username = attempts % 2 ? `nobody-${attempts}` : owner.username;
  const password = attempts % 50 ? 'wrong' : owner.password;
  const address = `10.${attempts >> 16}.${(attempts >> 8) & 255}.${attempts & 255}`;
  const headers = { 'content-type': 'application/json', 'x-forwarded-for': address };
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/auth/token`, { method: 'POST', agent, headers });
    asked.on('error', reject).on('response', (answer) => {
      let text = '';
      answer.on('data', (chunk) => (text += chunk));
      answer.on('end', () => {
        const wait = answer.headers['retry-after'] === undefined ? '' : ', retry-after';
        const told = `${answer.statusCode} ${JSON.parse(text).error ?? 'tokens'}${wait}`;
        answers[told] = (answers[told] ?? 0) + 1;
        resolve();
      });
    });
    asked.end(JSON.stringify({ username, password }));
  });
}

async function attack() {
  while (performance.now() < until) await attempt();
}

Promise.all(Array.from({ length: attackers }, attack)).then(() => {
  agent.destroy();
  parentPort.postMessage(answers, []);
});
