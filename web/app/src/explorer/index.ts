import './explorer.css';

export { ExplorePage } from './explorePage';
