'use client';
/** Live Pulseboard data in React. */

export * from './format/index.js';
