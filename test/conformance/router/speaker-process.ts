/**
 * The unit's speaker in a process of its own, inside the lab: each line on stdin is a `Wish`, each line on stdout tells
 * that the router was told all of the last one. Arguments: router, our address, our address for detours.
 */
import { createInterface } from 'node:readline';
import { prefixOf } from '../../../src/core/base/prefix.ts';
import { asn, prefixText, routerId } from '../../../src/core/base/units.ts';
import type { Announcement } from '../../../src/core/bgp/announcement.ts';
import type { Detour } from '../../../src/core/bgp/detour.ts';
import { createSpeaker } from '../../../src/speaker/index.ts';
import { waitFor } from '../../support/lab.ts';

export interface Wish {
  readonly blocks: readonly Announcement[];
  readonly detours: readonly Detour[];
}

const [address = '', localAddress = '', egressAddress = ''] = process.argv.slice(2);
const router = routerId('br1');
const speaker = createSpeaker({
  routers: [
    {
      name: router,
      address,
      localAddress,
      egressAddress,
      asn: asn(64512),
      addPath: true,
      announceDelayMs: 500,
      mraiMs: 0,
    },
  ],
  localAsn: asn(64512),
  routerId: localAddress,
  networks: ['198.18.0.0/21', '2001:db8::/39'].map((text) => prefixOf(prefixText(text))),
  log: { debug: () => {}, info: () => {}, warn: () => {} },
});
await speaker.start();
createInterface({ input: process.stdin })
  .on('line', (line) => void carryOut(JSON.parse(line) as Wish)) // Written by driver.test.ts.
  .on('close', () => process.exit(0));

async function carryOut({ blocks, detours }: Wish): Promise<void> {
  speaker.setDesired(new Map([[router, blocks]]));
  speaker.setDetours(router, detours);
  await waitFor('the router to be told', 60_000, async () => {
    const [session] = speaker.sessions();
    const told = [...speaker.announced(router), ...speaker.detours(router)];
    return (
      session?.egress?.phase === 'established' &&
      session.prefixesAnnounced === blocks.length &&
      session.egress.detours === detours.length &&
      told.every(({ state }) => state === 'sent')
    );
  });
  process.stdout.write('told\n');
}
