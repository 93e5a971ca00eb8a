import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['pulseboard-source'] },
  test: { include: ['packages/*/tests/**/*.test.ts', 'app/src/**/*.test.ts'] },
});
