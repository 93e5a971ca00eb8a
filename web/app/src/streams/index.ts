export { Command, curlCommand, sampleEvent } from './howToPost';
export { sampleSql } from './sampleSql';
export { StreamPage } from './streamPage';
export { StreamsPage } from './streamsPage';
export { type StreamRow, useStreams } from './useStreams';
