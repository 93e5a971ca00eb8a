export { BoardPage } from './boardPage';
export { notice } from './notice';
