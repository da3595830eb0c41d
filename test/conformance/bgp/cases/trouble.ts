/** Peers that send what they should not, or too much. */
import type { Test } from 'tap';
import { openPlainSocket } from '../../../../src/speaker/sockets.ts';
import { border, eventually } from '../border.ts';
import type { RouterKind } from '../routers/router.ts';
import {
  announce,
  block,
  find,
  open,
  openOther,
  originates,
  otherAsn,
  ourAsn,
  peerName,
  phase,
} from '../suite.ts';
import { breakOrigins } from '../tamper.ts';

/** RFC 7606: ORIGIN of no known value. The session survives, the routes count as withdrawn. */
export async function malformed(t: Test, kind: RouterKind): Promise<void> {
  let isBroken = true;
  const { router, speaker } = await open(t, kind, {}, {}, async (request) =>
    breakOrigins(await openPlainSocket(request), () => isBroken),
  );
  const counters = () => speaker.sessions()[0]?.counters ?? {};
  await eventually(
    'the flaw is seen',
    () => (counters()['reaction.treat_as_withdraw'] ?? 0) > 0 && counters()['error.origin_value'],
  );
  t.equal(speaker.routesFrom(peerName).length, 0, 'what came with it is not kept');
  t.equal(phase(speaker), 'established', 'the session survives');
  announce(speaker, block('198.51.100.0/24'));
  await eventually('it carries on', () => find(router, '198.51.100.0/24'));
  isBroken = false;
  if (!kind.can.answersRefresh) return;
  t.ok(speaker.requestRefresh(peerName));
  await eventually('asked again, the routes come', () => speaker.routesFrom(peerName).length >= 2);
  t.equal(counters()['in.notification'], undefined);
}

const flooded = 4_000;
const rounds = 4;

/** Thousands of routes that come and go as fast as a router passes them on. */
export async function flood(t: Test, kind: RouterKind): Promise<void> {
  const { router, speaker } = await open(t, kind, { otherAsn }, { holdTimeS: 9 });
  const routes = Array.from({ length: flooded }, (_, i) => ({
    ...block(`100.${64 + (i >> 8)}.${i & 255}.0/24`, { largeCommunities: [[otherAsn, 0, 1]] }),
    nextHop: border.inside.ipv4,
  }));
  const other = await openOther(t, []);
  const count = () => speaker.sessions()[0]?.pathsReceived ?? 0;
  const own = originates.length;
  await eventually("the router's own are there", () => count() === own);
  for (let round = 0; round < rounds; round++) {
    announce(other, ...routes);
    await eventually('all are there', () => count() >= own + flooded, 60_000);
    announce(other);
    await eventually('all are gone again', () => count() <= own, 60_000);
  }
  const counters = speaker.sessions()[0]?.counters ?? {};
  t.equal(phase(speaker), 'established');
  t.ok((counters.routes_in ?? 0) >= rounds * flooded, 'each was counted');
  t.equal(counters['out.notification'], undefined, 'the hold timer of 9 s never ran out');
  announce(speaker, block('198.51.100.0/24', { largeCommunities: [[ourAsn, 0, 1]] }));
  await eventually('the block arrives', () => find(router, '198.51.100.0/24'));
}
