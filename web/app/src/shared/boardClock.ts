/** The instant that all charts of this page end at. */

import { ChartClock } from '@pulseboard/react/charts';
import { client } from './live';

export const boardClock = new ChartClock(client);
