/**
 * The package as it would be published, the components in the system's Chromium, and the examples as a stranger has them: installed from packed packages, built,
 * and driven against the real server.
 *
 * `PULSEBOARD_BIN=path/to/pulseboard npm run e2e`. `ONLY=word` runs the tests whose names have the word.
 */

import { runSuite } from '../../../app/e2e/suite.mjs';
import { exampleTests } from './examples.mjs';
import { galleryTests } from './gallery.mjs';
import { packageTests } from './package.mjs';

await runSuite({ ...packageTests, ...galleryTests, ...exampleTests });
