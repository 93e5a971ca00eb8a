export { HomePage } from './homePage';
