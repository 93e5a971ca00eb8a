export { ExplorePage } from './explorePage';
