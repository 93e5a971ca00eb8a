export { type BoardQuery, NO_QUERY } from './boardQuery';
export { Door } from './door';
export { isTyping, type KeyMap, useKeys } from './keys';
export { Rail } from './rail';
export { boardRoute, go, guardLeaving, parseRoute, type Route, replaceRoute, routeHref, useRoute } from './route';
export { rememberBoard, useShortcuts } from './shortcuts';
export { TopBar } from './topBar';
