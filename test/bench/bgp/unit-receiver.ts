/**
 * A whole unit as a receiver: `unit-receiver.js NETWORKS ADDRESS=ASN…`. It steers that many times 256 blocks over two links in cycles of a
 * second (thirty times as often as it comes) while the tables come in; only the packets are not real. Reports every
 * 20 ms (`OwnReport`, JSON lines).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dividePrefix, formatPrefix, prefixOf } from '../../../src/core/base/prefix.ts';
import { type Sliced, whole } from '../../../src/core/base/slices.ts';
import { linkId, prefixText } from '../../../src/core/base/units.ts';
import { systemClock } from '../../../src/daemon/clock.ts';
import { type Parts, startUnit } from '../../../src/daemon/start.ts';
import { readBlockCells } from '../../../src/engine/block-cells.ts';
import type { EngineSnapshot } from '../../../src/engine/index.ts';
import { layout } from '../../../src/engine/layout.ts';
import { createSpeaker, type Speaker } from '../../../src/speaker/index.ts';
import { settingsOf } from '../../support/settings.ts';
import { snapshotOf } from '../../support/snapshot.ts';
import { LoopWatch } from './loop-watch.ts';
import type { OwnReport } from './receivers/headgate.ts';
import { receiverAddress, receiverAsn } from './receivers/receiver.ts';

const [networksText, ...feedTexts] = process.argv.slice(2);
/** Each of 256 blocks of /24. */
const networks = Array.from({ length: Number(networksText) }, (_, i) =>
  prefixText(`100.${64 + i}.0.0/16`),
);
const blocks = networks.flatMap((network) =>
  dividePrefix(prefixOf(network), 24).map((block) => formatPrefix(block)),
);
const folder = mkdtempSync(join(tmpdir(), 'hgb-bench-unit-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const feeds = feedTexts.map((text) => text.split('='));
const settings = settingsOf(`
asn: ${receiverAsn}
mode: control
networks: [${networks.join(', ')}]
blocks: { ipv4: 24 }
management: { router_id: ${receiverAddress}, address: ${receiverAddress} }
wires:
  - { name: n, place: link, inside: eth1, outside: eth2 }
  - { name: s, place: link, inside: eth3, outside: eth4 }
links:
  - { name: north, asn: 65001, capacity: 10G, attribute: { wire: n }, router: feed1 }
  - { name: south, asn: 65002, capacity: 10G, attribute: { wire: s }, router: feed1 }
routers:
${feeds.map(([address = '', asn], i) => `  - { name: feed${i + 1}, address: ${address}, asn: ${asn}, bgp: {} }`).join('\n')}
control: { socket: ${folder}/unit.sock }
history: { path: ${folder}/history.db }
metrics: { listen: 127.0.0.1:0 }
cycle: { interval: 1s, average: 2s }
`);

/** The counters as the native module hands them over, a cell for each block; decoded as in a unit with wires. */
const { block_cell: cell, traffic } = layout.records;
const cells = new DataView(new ArrayBuffer(blocks.length * cell.bytes));
const links = [linkId('north'), linkId('south')];
const names = { block: (i: number) => blocks[i], link: (i: number) => links[i] };

/** North carries four fifths of capacity and more, so that every cycle has something to weigh. */
function* snapshotSliced(): Sliced<EngineSnapshot> {
  const seconds = performance.now() / 1000;
  for (let i = 0, at = 0; i < blocks.length; i++, at += cell.bytes) {
    const bytes = Math.round(seconds * (1 + (i % 97)) * 2_500);
    cells.setUint32(at + cell.fields.block[0], i, true);
    cells.setUint16(at + cell.fields.link[0], i % 5 === 0 ? 1 : 0, true);
    const counter = at + cell.fields.traffic[0] + traffic.fields.l2_bytes[0];
    cells.setBigUint64(counter, BigInt(bytes), true);
  }
  const { counts, totals } = yield* readBlockCells(cells.buffer, names, new Map());
  const bare = snapshotOf(performance.now(), {
    inbound: Object.fromEntries(links.map((link) => [`${blocks[0]} ${link}`, 0])),
  });
  return {
    ...bare,
    blocks: counts,
    links: bare.links.map((link, i) => ({
      ...link,
      inbound: totals.get(i)?.inbound ?? link.inbound,
    })),
  };
}

let speaker: Speaker | undefined;
const silent = () => {};
const refuse = () => Promise.reject(new Error('no session here is signed'));
const parts: Parts = {
  clock: systemClock,
  log: { debug: silent, info: silent, warn: silent, error: silent },
  openWires: () => ({
    publish: silent,
    *publishSliced() {
      yield;
      return Promise.resolve();
    },
    *prepare() {},
    readjust: async () => {},
    snapshot: () => whole(snapshotSliced()),
    snapshotSliced,
    wireStates: () => [],
    *blockRtts() {
      return { overMs: 0, of: () => undefined };
    },
    networks: () => [],
    halves: () => ({ segments: [], lost: 0 }),
    heaviest: () => [],
    findings: [],
    close: silent,
  }),
  createSpeaker: (options) => {
    speaker = createSpeaker(options);
    return speaker;
  },
  sockets: { openSocket: refuse, openListener: refuse },
  addressesOf: () => [],
  readSecret: () => '',
  chown: silent,
  groupId: () => 0,
};
await startUnit(settings, parts);
const watch = new LoopWatch();
let isBegun = false;
setInterval(() => {
  const paths = (speaker?.sessions() ?? []).reduce(
    (sum, session) => sum + session.pathsReceived,
    0,
  );
  if (paths === 0 && !isBegun) watch.reset();
  else isBegun = true;
  const { blockedMs, computedMs } = watch;
  const tableBytes = speaker?.rib.byteLength ?? 0;
  const report: OwnReport = { paths, tableBytes, blockedMs, computedMs };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}, 20);
