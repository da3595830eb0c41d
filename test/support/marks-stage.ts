/** Sessions marked by what a router told: its table filled by hand, the clock turned by the test. */
import { prefixOf } from '../../src/core/base/prefix.ts';
import { whole } from '../../src/core/base/slices.ts';
import { bitps, type LinkId, linkId, ms, prefixText, routerId } from '../../src/core/base/units.ts';
import { AdjRibIn } from '../../src/core/bgp/rib/adj-rib-in.ts';
import { internalKind } from '../../src/core/bgp/rib/intake.ts';
import { encodeAttributes } from '../../src/core/wire/bgp/attribute-encode.ts';
import { recallMarks } from '../../src/daemon/outbound/marks/mark-memory.ts';
import {
  type MarksTurn,
  type MarksWorld,
  SessionMarks,
} from '../../src/daemon/outbound/marks/session-marks.ts';
import type { MarkChanges, Weights } from '../../src/engine/index.ts';
import type { SessionStatus, SpeakerChange } from '../../src/speaker/index.ts';
import { FakeClock } from './fake-clock.ts';
import { settingsOf } from './settings.ts';

export const br1 = routerId('br1');
export const [north, south, east] = [linkId('north'), linkId('south'), linkId('east')];
export const asns = new Map([
  [north, 65001],
  [south, 65002],
  [east, 65003],
]);
/** Settings of a border router with a link to each of three providers. */
export const marksText = `
asn: 64512
mode: control
networks: [198.51.100.0/23]
management: { address: 10.0.0.9 }
wires: [{ name: core, place: inside, inside: eth1, outside: eth2 }]
links:
${[...asns].map(([link, asn], i) => `  - { name: ${link}, asn: ${asn}, capacity: 100M, router: br1, attribute: { wire: core, dscp: ${10 + i} }, mark: { dscp: ${10 + i} } }`).join('\n')}
routers: [{ name: br1, address: 10.0.0.1, bgp: {} }]
outbound: {}
rails: { settle: 10s, hold: 10m, max_age: 1m }
`;
const settings = settingsOf(marksText);

/** A router's table, filled by hand. */
export class Told {
  readonly rib = new AdjRibIn();
  readonly peer = this.rib.addPeer();
  phase: SessionStatus['phase'] = 'established';
  #listeners: ((change: SpeakerChange) => void)[] = [];

  readonly onChange = (listener: (change: SpeakerChange) => void) => {
    this.#listeners.push(listener);
    return () => undefined;
  };
  readonly ribPeerOf = () => this.peer;
  // A cast: what else a session tells is not looked at.
  readonly sessions = () => [
    {
      router: br1,
      phase: this.phase,
      isSettled: true,
      capabilities: [],
    } as unknown as SessionStatus,
  ];

  tell(prefix: string, ...links: readonly LinkId[]): void {
    const { bytes, length } = prefixOf(prefixText(prefix));
    for (const link of asns.keys()) {
      const id = asns.get(link) ?? 0;
      const has = links.includes(link);
      if (!has) this.rib.withdraw(4, bytes, 0, length, this.peer, id);
      else {
        const block = blockOf(id);
        const attributes = this.rib.attributes.intern(block, 0, block.length, internalKind);
        this.rib.announce(4, bytes, 0, length, this.peer, id, attributes);
      }
    }
    const action = links.length > 0 ? 'announced' : 'withdrawn';
    for (const listener of this.#listeners)
      listener({ kind: 'received', router: br1, prefix: prefixText(prefix), action });
  }
}

const blockOf = (asn: number): Uint8Array =>
  encodeAttributes(
    {
      origin: 'igp',
      asPath: [{ kind: 'sequence', asns: [asn, 65100] }],
      nextHop: `192.0.2.${asn % 100}`,
      localPref: 100,
    },
    { as4: true, addPath: { 4: true, 6: true } },
  );

/** Marks in the middle of their cycles; `changes`: what the wires were told between two publications. */
export function marksStage(
  remembered = recallMarks(undefined, settings, 0),
  witnesses: Partial<Pick<MarksWorld, 'station' | 'sources'>> = {},
) {
  const clock = new FakeClock(1_700_000_000_000);
  const told = new Told();
  const changes: MarkChanges[] = [];
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const engine = {
    readjust: async (marks: MarkChanges) => {
      changes.push(marks);
    },
    *prepare(_: readonly Weights[]) {},
  };
  const world = { speaker: told, station: undefined, sources: undefined, ...witnesses, engine };
  const marks = new SessionMarks(settings, br1, world, { clock, log }, remembered);
  const turn = (more: Partial<MarksTurn> = {}) => {
    clock.advance(30_000);
    const counted = more.counted ?? [prefixText('203.0.113.0/24')];
    const input: MarksTurn = {
      observation: {
        at: ms(clock.wall()),
        intervalMs: ms(30_000),
        links: [...asns.keys()].map((link) => ({ link, isUp: true, capacity: bitps(100e6) })),
        blocks: [],
      },
      mode: 'control',
      load: { total: 0, byLink: new Map() },
      role: 'decides',
      rates: { rates: new Map(), source: 'wire', ageMs: 0 },
      times: undefined,
      counted,
      ...more,
    };
    const isDue = whole(marks.turn(input));
    if (isDue) marks.published(counted);
    return isDue;
  };
  return { clock, told, marks, changes, turn };
}
