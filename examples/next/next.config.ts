import type { NextConfig } from 'next';

const config: NextConfig = {
  // This folder alone is the project: there are other lock files above it.
  turbopack: { root: import.meta.dirname },
};

export default config;
