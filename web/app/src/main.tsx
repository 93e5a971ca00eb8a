/** The dashboard app: the frame around the pages, and nothing more. */

import { StrictMode, Suspense, useCallback, useState } from 'react';
import { createRoot } from 'react-dom/client';
import '@pulseboard/react/styles.css';
import './app.css';
import { BoardPage, beginBoard, SharePage } from './board';
import { Boundary } from './shared/boundary';
import { later } from './shared/later';
import { watchShare } from './shared/pass';
import { applySettings } from './shared/settings';
import { Door, NO_QUERY, parseRoute, Rail, type Route, TopBar, useRoute, useShortcuts } from './shell';

// What a visit may never open is only fetched when it does.
const HomePage = later(async () => (await import('./home')).HomePage);
const ExplorePage = later(async () => (await import('./explorer')).ExplorePage);
const loadEditor = () => import('./editor');
const EditorPage = later(async () => (await loadEditor()).EditorGate);
const StreamsPage = later(async () => (await import('./streams')).StreamsPage);
const StreamPage = later(async () => (await import('./streams')).StreamPage);
const Help = later(async () => (await import('./shell/help')).Help);
const DesignPage = later(async () => (await import('./design')).DesignPage);

function App() {
  const route = useRoute();
  return route.page === 'share' ? (
    <main className="page share-page">
      <SharePage query={route.query ?? NO_QUERY} />
    </main>
  ) : (
    <Whole route={route} />
  );
}

function Whole({ route }: { readonly route: Route }) {
  const [help, setHelp] = useState(false);
  const showHelp = useCallback(() => setHelp(true), []);
  useShortcuts(showHelp);
  return (
    <>
      <Rail page={route.page} showHelp={showHelp} />
      <main className="page">
        <Boundary key={route.page}>
          <Suspense fallback={<TopBar title=" " context=" " />}>
            <Page route={route} />
          </Suspense>
        </Boundary>
      </main>
      {help ? (
        <Suspense fallback={null}>
          <Help onClose={() => setHelp(false)} />
        </Suspense>
      ) : null}
    </>
  );
}

function Page({ route }: { readonly route: Route }) {
  switch (route.page) {
    case 'home':
      return <HomePage />;
    case 'board':
      return <BoardPage key={route.board} name={route.board} query={route.query ?? NO_QUERY} />;
    case 'share':
      return null;
    case 'edit':
      return <EditorPage key={route.board} board={route.board} panel={route.panel ?? null} />;
    case 'streams':
      return <StreamsPage />;
    case 'stream':
      return <StreamPage key={route.stream} name={route.stream} />;
    case 'explore':
      return <ExplorePage sql={route.sql} />;
    case 'design':
      return <DesignPage />;
  }
}

applySettings();
watchShare();
// Whoever points at a way into the editor is about to take it.
addEventListener('pointerover', ({ target }) => {
  if (target instanceof Element && target.closest('a[href^="#/edit"]') !== null) {
    loadEditor().catch(() => {});
  }
});
function draw(): void {
  const root = document.getElementById('root');
  if (root !== null) {
    createRoot(root).render(
      <StrictMode>
        <Boundary>
          <Door>
            <App />
          </Door>
        </Boundary>
      </StrictMode>,
    );
  }
}

/** A server that is slower than this is not waited for: what it says comes into a page that stands already. */
const EARLY_MS = 200;
const opened = parseRoute(location.hash);
if (opened.page === 'board') {
  const late = new Promise((over) => setTimeout(over, EARLY_MS));
  void Promise.race([beginBoard(opened.board, opened.query ?? NO_QUERY), late]).then(draw, draw);
} else {
  draw();
}
