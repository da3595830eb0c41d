/** Every metric of the unit: what it is called and how it is read. src/metrics/README.md lists the same. */
import type { Reading } from '../../metrics/index.ts';
import { clusterReadings } from './families/cluster.ts';
import { markReadings } from './families/marks.ts';
import { nameReadings } from './families/names.ts';
import { outboundReadings } from './families/outbound.ts';
import { ownReadings } from './families/own.ts';
import { probeReadings } from './families/probes.ts';
import { quicReadings } from './families/quic.ts';
import type { Scrape } from './families/scrape.ts';
import { steeringReadings } from './families/steering.ts';
import { trafficReadings } from './families/traffic.ts';

export type { Scrape } from './families/scrape.ts';

export const readings: ReadonlyArray<Reading<Scrape>> = [
  ...trafficReadings,
  ...quicReadings,
  ...markReadings,
  ...steeringReadings,
  ...outboundReadings,
  ...ownReadings,
  ...nameReadings,
  ...probeReadings,
  ...clusterReadings,
];
