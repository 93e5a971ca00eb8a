export { useCatalogue } from './catalogue';
export { quoted } from './completion';
export { type QueryProblem, readProblem } from './problem';
export { SqlEditor } from './sqlEditor';
export { SqlField } from './sqlField';
