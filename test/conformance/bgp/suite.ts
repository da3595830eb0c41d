/** What the cases share: a router of any kind and a speaker that has a session with it. */
import type { Test } from 'tap';
import { type Prefix, parsePrefix } from '../../../src/core/base/prefix.ts';
import { asn, prefixText, routerId } from '../../../src/core/base/units.ts';
import type { Announcement } from '../../../src/core/bgp/announcement.ts';
import {
  createSpeaker,
  type OpenSocket,
  type RouterPeering,
  type Speaker,
} from '../../../src/speaker/index.ts';
import { border, eventually } from './border.ts';
import type { RouterCase, RouterKind, RunningRouter } from './routers/router.ts';

export const isLong = process.env.HEADGATE_LONG === '1';
export const ourAsn = 64512;
/** A neighbour of the router in another AS, at an address of its own beside the unit's. */
export const otherAsn = 64999;
export const peerName = routerId('br1');
const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
export const originates = [
  { prefix: '198.51.100.0/22', nextHop: border.inside.ipv4 },
  { prefix: '2001:db8:4000::/36', nextHop: border.inside.ipv6 },
];
export const networks = originates.map((own) => prefix(own.prefix));

export const block = (text: string, more: Partial<Announcement> = {}): Announcement => ({
  prefix: prefixText(text),
  communities: [],
  largeCommunities: [[ourAsn, 0, 1]],
  prepend: 0,
  ...more,
});

export interface Bench {
  readonly router: RunningRouter;
  readonly speaker: Speaker;
}

export async function open(
  t: Test,
  kind: RouterKind,
  options: Partial<RouterCase> & { readonly awaitSession?: boolean },
  peering: Partial<RouterPeering> = {},
  openSocket?: OpenSocket,
): Promise<Bench> {
  const router = await openRouter(t, kind, options);
  const transport = options.transport ?? 'ipv4';
  const lines: string[] = [];
  const note = (_: object, message: string) => {
    lines.push(message);
  };
  const speaker = createSpeaker({
    routers: [
      {
        name: peerName,
        address: border.router[transport],
        localAddress: border.unit[transport],
        asn: asn(options.asn ?? ourAsn),
        announceDelayMs: 3_000,
        nextHop: border.inside,
        mraiMs: 0,
        ...peering,
      },
    ],
    localAsn: asn(options.unitAsn ?? ourAsn),
    routerId: '10.99.0.9',
    networks,
    ...(openSocket ? { openSocket } : {}),
    log: { debug: note, info: note, warn: note },
  });
  t.teardown(async () => {
    await speaker.stop();
    if (!t.passing()) process.stderr.write(`${lines.slice(-40).join('\n')}\n`);
  });
  await speaker.start();
  if (options.awaitSession !== false) await established(speaker);
  return { router, speaker };
}

export const phase = (speaker: Speaker) => speaker.sessions()[0]?.phase;
export const established = (speaker: Speaker) =>
  eventually('the session is established', () => phase(speaker) === 'established', 40_000);
export const announce = (speaker: Speaker, ...blocks: Announcement[]) =>
  speaker.setDesired(new Map([[peerName, blocks]]));
export const find = async (router: RunningRouter, text: string) =>
  (await router.routes()).find((route) => route.prefix === text);

/** The router alone, for a case that makes the other end itself. */
export async function openRouter(
  t: Test,
  kind: RouterKind,
  options: Partial<RouterCase>,
): Promise<RunningRouter> {
  const router = await kind.start({
    asn: ourAsn,
    unitAsn: ourAsn,
    transport: 'ipv4',
    originates,
    ...options,
  });
  t.teardown(async () => {
    await router.stop();
    if (!t.passing()) process.stderr.write(`${router.log()}\n`);
  });
  return router;
}

/** The other neighbour (`otherAsn` must be set in the router's case), announcing what it is given. */
export async function openOther(t: Test, blocks: readonly Announcement[]): Promise<Speaker> {
  const other = createSpeaker({
    routers: [
      {
        name: peerName,
        address: border.router.ipv4,
        localAddress: border.other.ipv4,
        asn: asn(ourAsn),
        announceDelayMs: 1_000,
        mraiMs: 0,
        gracefulRestartS: 0,
      },
    ],
    localAsn: asn(otherAsn),
    routerId: border.other.ipv4,
    networks: [...networks, prefix('100.64.0.0/10')],
    floor: { ipv4: 24, ipv6: 48 },
    maxPrefixesAnnounced: 100_000,
    log: { debug: () => {}, info: () => {}, warn: () => {} },
  });
  t.teardown(() => other.stop());
  await other.start();
  announce(
    other,
    ...blocks.map((one) => ({ ...one, largeCommunities: [[otherAsn, 0, 1]] as const })),
  );
  await established(other);
  return other;
}
