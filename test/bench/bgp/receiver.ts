/** headgate's speaker as a receiver: `receiver.js WANTED FEEDER…` ends with one JSON line when all paths are in. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { asn, routerId } from '../../../src/core/base/units.ts';
import { createSpeaker } from '../../../src/speaker/index.ts';

const [wantedText = '0', ...feeders] = process.argv.slice(2);
const silent = { debug: () => {}, info: () => {}, warn: () => {} };
const delay = monitorEventLoopDelay({ resolution: 1 });
const speaker = createSpeaker({
  routers: feeders.map((address, i) => ({
    name: routerId(`feed${i + 1}`),
    address,
    localAddress: '10.98.0.9',
    asn: asn(65_101 + i),
    holdTimeS: 0,
    addPath: false,
    gracefulRestartS: 0,
  })),
  localAsn: asn(64_512),
  routerId: '10.98.0.9',
  networks: [],
  log: silent,
});
await speaker.start();
const poll = setInterval(() => {
  const sessions = speaker.sessions();
  if (sessions.every(({ phase }) => phase === 'established') && delay.max === 0) delay.enable();
  const paths = sessions.reduce((sum, session) => sum + session.pathsReceived, 0);
  if (paths < Number(wantedText)) return;
  clearInterval(poll);
  const doneMs = Date.now();
  delay.disable();
  const { rss } = process.memoryUsage();
  const answer = {
    doneMs,
    rss,
    tableBytes: speaker.rib.byteLength,
    attributeSets: speaker.rib.attributes.size,
    // The monitor's own resolution is part of what it reports.
    delayMaxMs: delay.max / 1e6 - 1,
    delayP99Ms: delay.percentile(99) / 1e6 - 1,
  };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
  void speaker.stop().then(() => process.exit(0));
}, 5);
delay.enable();
