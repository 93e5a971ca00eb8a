import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** The server that the development page talks to. */
const SERVER = 'http://127.0.0.1:8080';

/** Asks for the text font together with the style sheet, so that no text is painted twice. */
function preloadFont(): Plugin {
  return {
    name: 'preload-font',
    transformIndexHtml: {
      order: 'post',
      handler(_, { bundle }) {
        const font = Object.keys(bundle ?? {}).find((file) => /inter-.*\.woff2$/.test(file));
        const attrs = { rel: 'preload', as: 'font', type: 'font/woff2', crossorigin: '', href: `./${font}` };
        return font === undefined ? [] : [{ tag: 'link', attrs, injectTo: 'head' }];
      },
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [react(), tailwindcss(), preloadFont()],
  resolve: { conditions: ['pulseboard-source', 'module', 'browser', 'development|production'] },
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: {
    port: 5173,
    proxy: {
      '/api': { target: process.env.PULSEBOARD_URL ?? SERVER, ws: true },
      '/health': { target: process.env.PULSEBOARD_URL ?? SERVER },
    },
  },
});
