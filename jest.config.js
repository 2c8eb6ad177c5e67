const { availableParallelism } = require('node:os');

const swc = [
  '@swc/jest',
  {
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
      target: 'es2022',
    },
    module: { type: 'commonjs' },
  },
];
const base = {
  testEnvironment: 'node',
  transform: { '^.+\\.[tj]s$': swc },
  // Nest 12 ships ES modules only: Jest has to compile them to CommonJS.
  transformIgnorePatterns: ['/node_modules/(?!@nestjs/)'],
};

const overDatabase = {
  roots: ['<rootDir>/test'],
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
};

/** @type {import('jest').Config} */
module.exports = {
  // Only what hangs shall end by it, also on a machine of a fifth of the speed.
  testTimeout: 120_000,
  // Jest would leave one core free; on two, that is one test at a time, and most of them wait rather than compute.
  maxWorkers: Math.max(3, availableParallelism() - 1),
  projects: [
    { ...base, displayName: 'unit', roots: ['<rootDir>/src'], testRegex: '\\.spec\\.ts$' },
    { ...base, ...overDatabase, displayName: 'e2e', testRegex: '\\.e2e-spec\\.ts$' },
    // Long ones, which kill things and wait: npm run test:faults.
    { ...base, ...overDatabase, displayName: 'faults', testRegex: '\\.faults-spec\\.ts$' },
  ],
};
