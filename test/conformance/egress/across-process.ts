/**
 * The unit's speaker and its order of detours in a process of its own, inside the lab: each line on stdin is a `Wish`;
 * a line on stdout tells that both routers are spoken to.
 */
import { createInterface } from 'node:readline';
import { prefixOf } from '../../../src/core/base/prefix.ts';
import { asn, prefixText, type RouterId, routerId } from '../../../src/core/base/units.ts';
import type { Detour } from '../../../src/core/bgp/detour.ts';
import { systemClock } from '../../../src/daemon/clock.ts';
import { DetourOrder, detourKey } from '../../../src/daemon/outbound/detour-order.ts';
import { createSpeaker } from '../../../src/speaker/index.ts';
import { waitFor } from '../../support/lab.ts';

export interface Wish {
  /** What each router is to be told in the end; false tells it at once. */
  readonly isOrdered: boolean;
  readonly detours: Readonly<Record<string, readonly Detour[]>>;
}

const peering = (k: number) => ({
  name: routerId(`br${k}`),
  address: `10.0.9.${k}`,
  localAddress: '10.0.9.10',
  egressAddress: '10.0.9.11',
  asn: asn(64512),
  addPath: true,
  announceDelayMs: 500,
  mraiMs: 0,
});
const speaker = createSpeaker({
  routers: [peering(1), peering(2)],
  localAsn: asn(64512),
  routerId: '10.0.9.10',
  networks: [prefixOf(prefixText('198.18.0.0/21'))],
  log: { debug: () => {}, info: () => {}, warn: () => {} },
});
await speaker.start();
const tell = (router: RouterId, detours: readonly Detour[]) => speaker.setDetours(router, detours);
const sentTo = (router: RouterId) =>
  new Set(
    speaker
      .detours(router)
      .flatMap(({ detour, state }) => (state === 'sent' ? [detourKey(detour)] : [])),
  );
const order = new DetourOrder({ tell, sentTo }, systemClock);
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { isOrdered, detours } = JSON.parse(line) as Wish; // Written by across.test.ts.
    const wanted = Object.entries(detours).map(([name, list]) => [routerId(name), list] as const);
    if (isOrdered) order.set(new Map(wanted));
    else for (const [router, list] of wanted) tell(router, list);
  })
  .on('close', () => process.exit(0));
await waitFor('both routers to tell a way out of their own', 60_000, () =>
  speaker
    .sessions()
    .every(
      ({ router, egress }) =>
        egress?.phase === 'established' && speaker.routesFrom(router, '10.101.0.0/24').length > 0,
    ),
);
process.stdout.write('ready\n');
await new Promise((resolve) => process.once('beforeExit', resolve));
