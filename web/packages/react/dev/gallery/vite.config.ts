import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  resolve: { conditions: ['pulseboard-source', 'module', 'browser', 'development|production'] },
});
