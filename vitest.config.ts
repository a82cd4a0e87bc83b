import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 15_000,
    hookTimeout: 20_000,
    // What is waited for comes in milliseconds; on a machine with much else to do, in seconds.
    expect: { poll: { timeout: 10_000 } },
    // Two workers: the suite starts real gateways, phones and SIPp beside itself.
    maxWorkers: 2,
  },
});
export default config;
