import '../styles/home.css';

export { HomePage } from './homePage';
