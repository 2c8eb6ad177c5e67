'use strict';
// Loaded before the gateway by the benchmark alone: takes limits, meter and ledger out of it, to see what they cost.
// Everything else stays: the guards, the field policy, the relay, logs and metrics.
const { join } = require('node:path');

const of = (path) => require(join(__dirname, '..', '..', 'dist', 'src', path));
const { AdmissionService } = of('usage/admission/admission.service');
const { SettlementService } = of('usage/admission/settlement.service');
const { StreamMeter } = of('proxy/relay/stream-meter');
const usageText = of('proxy/relay/usage-text');
const { NO_TOKENS } = of('usage/token-usage');

AdmissionService.prototype.decide = ({ want }) =>
  Promise.resolve({ kind: 'admitted', granted: want, rates: { tokens: null, requests: null } });
SettlementService.prototype.settle = () => Promise.resolve();
StreamMeter.prototype.meter = (frame) => frame;
StreamMeter.prototype.usage = () => ({ usage: NO_TOKENS, source: 'exact', promptKnown: true });
Object.defineProperty(StreamMeter.prototype, 'isWhole', {
  get() {
    return this.sawDone;
  },
});
usageText.findUsage = () => ({ start: 0, end: 0, json: '' });
usageText.parseUsage = () => NO_TOKENS;
