export { Help } from './help';
export { Rail } from './rail';
export { DEFAULT_BOARD, go, type Route, replaceRoute, routeHref, useRoute } from './route';
export { useShortcuts } from './shortcuts';
export { TopBar } from './topBar';
