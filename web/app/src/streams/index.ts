export { sampleSql } from './sampleSql';
export { StreamPage } from './streamPage';
export { StreamsPage } from './streamsPage';
export { useStreams } from './useStreams';
