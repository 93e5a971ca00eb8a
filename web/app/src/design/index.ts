export { DesignPage } from './designPage';
