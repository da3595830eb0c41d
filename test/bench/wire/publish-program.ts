/**
 * A program: a unit's path from a full table of routes to the wires, in a namespace with ports `in0` and `out0`. Its
 * argument is the number of destinations; prints one JSON object.
 */
import { readFileSync } from 'node:fs';
import type { Sliced } from '../../../src/core/base/slices.ts';
import { linkId, prefixText, routerId } from '../../../src/core/base/units.ts';
import { AdjRibIn } from '../../../src/core/bgp/rib/adj-rib-in.ts';
import { internalKind } from '../../../src/core/bgp/rib/intake.ts';
import { encodeAttributes } from '../../../src/core/wire/bgp/attribute-encode.ts';
import { systemClock } from '../../../src/daemon/clock.ts';
import { RouteClasses } from '../../../src/daemon/outbound/marks/route-classes.ts';
import { Steps } from '../../../src/daemon/steps.ts';
import { installWire, openWires, releaseWire } from '../../../src/engine/index.ts';
import { settingsOf } from '../../support/settings.ts';

export interface PublicationTimes {
  readonly destinations: number;
  /** From the routers' table to the classes of all prefixes, ms. */
  readonly lookMs: number;
  /** From the classes until every wire has them in force, ms. */
  readonly publishMs: number;
  /** Longest time that the event loop was held meanwhile, ms. */
  readonly heldMs: number;
  /** The same without what it waited for a processor that others had, ms. */
  readonly heldByUsMs: number;
  /** Other weights for all of them, and a failed link, ms. */
  readonly readjustMs: number;
}

const links = ['north', 'south', 'east'].map(linkId);
const settings = settingsOf(`
asn: 64512
networks: [198.51.100.0/24]
links:
${links.map((link, i) => `  - { name: ${link}, asn: ${65001 + i}, capacity: 1G, router: br1 }`).join('\n')}
routers: [{ name: br1, address: 10.0.0.1, bgp: {} }]
management: { router_id: 10.0.0.9 }
`);
const steps = new Steps(systemClock);
const inSlices = <T>(work: () => Sliced<T>): Promise<T> =>
  new Promise((resolve) => {
    steps.add(function* () {
      resolve(yield* work());
    });
  });

const count = Number(process.argv[2] ?? 1000);
const rib = new AdjRibIn();
const peer = rib.addPeer();
fill();
const classes = new RouteClasses({ rib, ribPeerOf: () => peer }, routerId('br1'));
const tables = {
  blocks: [prefixText('198.51.100.0/24')],
  links: links.map((link, i) => ({
    link,
    attribute: { wire: 'core', dscp: 10 + i },
    mark: { dscp: 10 + i },
  })),
  otherwise: Object.fromEntries(links.map((link) => [link, 1])),
};
const wire = {
  name: 'core',
  place: 'inside',
  inside: 'in0',
  outside: 'out0',
  driver: 'tc',
} as const;
installWire(wire);
const engine = openWires({ wires: [wire], tables });
const held = watchLoop();
const started = performance.now();
const routes = await inSlices(() => classes.look(settings, 0));
const looked = performance.now();
const groups = routes.groups.map(({ name, class: own }) => ({
  name,
  weights: Object.fromEntries(own.split('+').map((link, i) => [link, i + 1])),
}));
await inSlices(() => engine.publishSliced({ ...tables, packed: routes.packed, groups })).then(
  // What the last slice gives is in force when it is settled.
  (done) => done,
);
const published = performance.now();
await engine.readjust({ down: [linkId('south')] });
const readjusted = performance.now();
held.stop();
const times: PublicationTimes = {
  destinations: routes.packed.count,
  lookMs: looked - started,
  publishMs: published - looked,
  heldMs: held.longestMs,
  heldByUsMs: held.longestByUsMs,
  readjustMs: readjusted - published,
};
engine.close();
releaseWire(wire.name);
process.stdout.write(`${JSON.stringify(times)}\n`);

/** How long a timer of a millisecond waits for its turn. */
function watchLoop() {
  const watch = { longestMs: 0, longestByUsMs: 0, stop: () => clearInterval(timer) };
  let before = { at: performance.now(), waited: waitedMs() };
  const timer = setInterval(() => {
    const now = { at: performance.now(), waited: waitedMs() };
    const gap = now.at - before.at;
    watch.longestMs = Math.max(watch.longestMs, gap);
    watch.longestByUsMs = Math.max(watch.longestByUsMs, gap - (now.waited - before.waited));
    before = now;
  }, 1);
  return watch;
}

/** Time that this thread was ready to run and did not, ms: the second number of the kernel's schedstat, in ns. */
function waitedMs(): number {
  const [, waitedNs] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(
    ' ',
  );
  return Number(waitedNs) / 1e6;
}

/** Every destination by one link at least, of each set of links as many. */
function fill(): void {
  const blocks = links.map((_, i) => {
    const block = encodeAttributes(
      {
        origin: 'igp',
        asPath: [{ kind: 'sequence', asns: [65001 + i, 65100] }],
        nextHop: `192.0.2.${i + 1}`,
        localPref: 100,
      },
      { as4: true, addPath: { 4: true, 6: true } },
    );
    return rib.attributes.intern(block, 0, block.length, internalKind);
  });
  const bytes = new Uint8Array(4);
  for (let n = 0; n < count; n++) {
    // /24s of 1.0.0.0 and up.
    bytes[0] = 1 + (n >>> 16);
    bytes[1] = (n >>> 8) & 0xff;
    bytes[2] = n & 0xff;
    const set = (n % 7) + 1;
    for (const [i, attributes] of blocks.entries())
      if ((set >>> i) & 1) rib.announce(4, bytes, 0, 24, peer, i, attributes);
  }
}
