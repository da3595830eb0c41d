/** The speaker as a receiver: `speaker-receiver.js ADDRESS=ASN…`. Reports every 20 ms (`OwnReport`, JSON lines). */
import { asn, routerId } from '../../../src/core/base/units.ts';
import { createSpeaker } from '../../../src/speaker/index.ts';
import { LoopWatch } from './loop-watch.ts';
import type { OwnReport } from './receivers/headgate.ts';
import { receiverAddress, receiverAsn } from './receivers/receiver.ts';

const feeds = process.argv.slice(2).map((text) => text.split('='));
const silent = { debug: () => {}, info: () => {}, warn: () => {} };
const speaker = createSpeaker({
  routers: feeds.map(([address = '', peerAsn], i) => ({
    name: routerId(`feed${i + 1}`),
    address,
    localAddress: receiverAddress,
    asn: asn(Number(peerAsn)),
    holdTimeS: 0,
    addPath: false,
    gracefulRestartS: 0,
  })),
  localAsn: asn(receiverAsn),
  routerId: receiverAddress,
  networks: [],
  log: silent,
});
await speaker.start();
const watch = new LoopWatch();
let isBegun = false;
setInterval(() => {
  const paths = speaker.sessions().reduce((sum, session) => sum + session.pathsReceived, 0);
  if (paths === 0 && !isBegun) watch.reset();
  else isBegun = true;
  const { blockedMs, computedMs } = watch;
  const report: OwnReport = { paths, tableBytes: speaker.rib.byteLength, blockedMs, computedMs };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}, 20);
