import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 15_000,
    hookTimeout: 20_000,
    // Two workers: the suite starts real gateways, phones and SIPp beside itself.
    maxWorkers: 2,
  },
});
export default config;
