import '../styles/design.css';

export { DesignPage } from './designPage';
