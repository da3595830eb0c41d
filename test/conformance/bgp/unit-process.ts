/**
 * A unit's speaker in a process of its own, to be killed: `unit-process.js GRACEFUL-RESTART-SECONDS`. Announces one
 * block and prints a line when it has said all that it had to say.
 */
import { asn } from '../../../src/core/base/units.ts';
import { createSpeaker } from '../../../src/speaker/index.ts';
import { border, eventually } from './border.ts';
import { announce, block, networks, ourAsn, peerName } from './suite.ts';

const silent = { debug: () => {}, info: () => {}, warn: () => {} };
const speaker = createSpeaker({
  routers: [
    {
      name: peerName,
      address: border.router.ipv4,
      localAddress: border.unit.ipv4,
      asn: asn(ourAsn),
      announceDelayMs: 3_000,
      nextHop: border.inside,
      mraiMs: 0,
      gracefulRestartS: Number(process.argv[2]),
    },
  ],
  localAsn: asn(ourAsn),
  routerId: border.unit.ipv4,
  networks,
  log: silent,
});
announce(speaker, block('198.51.100.0/24'));
await speaker.start();
await eventually(
  'End-of-RIB is sent',
  () => speaker.sessions()[0]?.counters['out.end_of_rib'],
  60_000,
);
process.stdout.write('said all\n');
