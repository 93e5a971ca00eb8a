/** The dashboard app: the frame around the pages, and nothing more. */

import { lazy, StrictMode, Suspense, useCallback, useRef } from 'react';
import { createRoot } from 'react-dom/client';
import '@pulseboard/react/styles.css';
import './app.css';
import { BoardPage } from './board';
import { Help, Rail, type Route, TopBar, useRoute, useShortcuts } from './shell';
import { StreamPage, StreamsPage } from './streams';

// The editor is the heaviest part and most visits never open it.
const ExplorePage = lazy(async () => ({ default: (await import('./explorer')).ExplorePage }));

function App() {
  const route = useRoute();
  const help = useRef<HTMLDialogElement>(null);
  const showHelp = useCallback(() => help.current?.showModal(), []);
  useShortcuts(showHelp);
  return (
    <>
      <Rail page={route.page} showHelp={showHelp} />
      <main className="page">
        <Suspense fallback={<TopBar title="Explore" context=" " />}>
          <Page route={route} />
        </Suspense>
      </main>
      <Help dialog={help} />
    </>
  );
}

function Page({ route }: { readonly route: Route }) {
  switch (route.page) {
    case 'board':
      return <BoardPage key={route.board} name={route.board} />;
    case 'streams':
      return <StreamsPage />;
    case 'stream':
      return <StreamPage key={route.stream} name={route.stream} />;
    case 'explore':
      return <ExplorePage sql={route.sql} />;
  }
}

const root = document.getElementById('root');
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
