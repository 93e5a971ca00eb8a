import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['pulseboard-source'] },
  test: {
    include: ['packages/*/tests/**/*.test.{ts,tsx}', 'app/src/**/*.test.ts'],
    // A deadline for what hangs, not a measure: machines may be busy.
    testTimeout: 60_000,
  },
});
