import { isDeepStrictEqual } from 'node:util';
import { HeadgateError } from '../core/base/error.ts';
import { type Sliced, whole } from '../core/base/slices.ts';
import type { LinkId, PrefixText } from '../core/base/units.ts';
import {
  type CellCounts,
  cellsOf,
  type LinkTotals,
  noLink,
  readBlockCells,
} from './block-cells.ts';
import { RecentBlockRtts } from './block-rtts.ts';
import { type Capacity, capacityOf } from './capacity.ts';
import { readHalves } from './halves.ts';
import { layout } from './layout.ts';
import { machine, machineLater } from './machine.ts';
import { marksBytes, writeMarks } from './marks.ts';
import { builtPath, loadNative } from './native.ts';
import type {
  EngineOptions,
  EngineTables,
  MarkChanges,
  Weights,
  WireEngine,
  WireOptions,
} from './options.ts';
import {
  type Names,
  type NativeSnapshot,
  readDestinations,
  readHeaviest,
  readLinks,
  readNetworks,
  readPipeline,
  readResolvers,
  readWires,
  type WireRecord,
} from './records.ts';
import { Slots } from './slots.ts';
import type {
  BlockRtts,
  Driver,
  EngineSnapshot,
  HeavySession,
  LinkCount,
  NetworkCount,
  TrafficCount,
  WireCount,
} from './snapshot.ts';
import { aimsOf, encodeSliced } from './tables.ts';
import { Ways } from './ways.ts';

/** What shares the packets of a wire out among its workers. */
const spreadObject = builtPath('spread.bpf.o');

/** Opaque to JavaScript. */
type Handle = object;

interface Native {
  describe(): unknown;
  engineOpen(
    wires: readonly {
      name: string;
      inside: string;
      outside: string;
      driver: string;
      passesLinkState: boolean;
      workers: number;
      spreadObject: string;
    }[],
    capacity: Capacity,
  ): Handle;
  enginePublish(handle: Handle, tables: Uint8Array): void;
  enginePublishLater(handle: Handle, tables: Uint8Array): Promise<void>;
  enginePublishMarks(handle: Handle, marks: Uint8Array): Promise<void>;
  engineSnapshot(handle: Handle): NativeSnapshot;
  engineWires(handle: Handle): ArrayBuffer;
  engineNetworks(handle: Handle): ArrayBuffer;
  engineHeaviest(handle: Handle): ArrayBuffer;
  engineHalves(handle: Handle): { readonly segments: ArrayBuffer; readonly lost: number };
  engineBlockRtts(handle: Handle, first: number, count: number, endsStretch: boolean): ArrayBuffer;
  engineForgetBlockRtts(handle: Handle, blocks: Uint32Array): void;
  engineFindings(handle: Handle): readonly string[];
  engineClose(handle: Handle): void;
}

/**
 * Opens every wire and starts forwarding. Throws HeadgateError with a one-line message that says what to do:
 * `interface_missing`, `interface_down`, `interface_in_use`, `mtu_differs`, `no_capability`, `driver_unfit`, `bad_tables`.
 */
export function openWires(options: EngineOptions): WireEngine {
  const native = loadNative<Native>();
  if (!isDeepStrictEqual(native.describe(), layout))
    throw new HeadgateError(
      'native_missing',
      'the native module is of another build than this program: run scripts/build',
    );
  return new Wires(native, options);
}

/** What comes into force together. */
interface NextTables {
  readonly tables: EngineTables;
  readonly ways: Ways;
  readonly bytes: Uint8Array;
  readonly blocks: Assigned<PrefixText>;
  readonly destinations: Assigned<PrefixText>;
  readonly links: Assigned<LinkId>;
}

class Wires implements WireEngine {
  readonly findings: readonly string[];
  readonly #native: Native;
  readonly #handle: Handle;
  readonly #wires: readonly WireOptions[];
  readonly #followsSpin: boolean;
  #blocks: Slots<PrefixText>;
  #destinations: Slots<PrefixText>;
  #links: Slots<LinkId>;
  #ways = new Ways();
  #generation = 0;
  #readjusted: Promise<void> = Promise.resolve();
  #isPublishing = false;
  /** What was readjusted while tables that know nothing of it are on their way. */
  #meanwhile: MarkChanges | undefined;
  #tables: EngineTables;
  /** Whether sessions may keep links that an earlier unit gave them. */
  #inheritsSessions: boolean;
  /** What a block's counters already had when an earlier block's index became its own, by index, link and direction. */
  #inherited: CellCounts = new Map();
  readonly #rtts: RecentBlockRtts;
  #isClosed = false;

  constructor(native: Native, options: EngineOptions) {
    const { tables } = options;
    this.#native = native;
    this.#tables = tables;
    this.#inheritsSessions = false;
    this.#wires = options.wires;
    const capacity = capacityOf(options);
    this.#followsSpin = capacity.followsSpin;
    this.#blocks = Slots.empty(capacity.blocks);
    this.#destinations = Slots.empty(capacity.destinations);
    this.#links = Slots.empty(capacity.links);
    const wires = options.wires.map((wire) => ({
      name: wire.name,
      inside: wire.inside,
      outside: outsideOf(wire),
      driver: wire.driver,
      passesLinkState: wire.passesLinkState ?? false,
      workers: wire.workers ?? 1,
      spreadObject,
    }));
    this.#handle = machine(() => native.engineOpen(wires, capacity));
    try {
      this.#inheritsSessions =
        readPipeline(native.engineSnapshot(this.#handle).pipeline).exceptions > 0;
      this.publish(tables);
    } catch (error) {
      this.close();
      throw error;
    }
    this.findings = native.engineFindings(this.#handle);
    this.#rtts = new RecentBlockRtts(
      (...which) => machine(() => native.engineBlockRtts(this.#handle, ...which)),
      performance.now(),
    );
  }

  publish(tables: EngineTables): void {
    const next = whole(this.#encodeSliced(tables));
    machine(() => this.#native.enginePublish(this.#handle, next.bytes));
    this.#adopt(next);
  }

  *publishSliced(tables: EngineTables): Sliced<Promise<void>> {
    this.#refuseWhilePublishing();
    this.#isPublishing = true;
    this.#meanwhile = undefined;
    try {
      yield* this.#ways.prepare(weightsIn(tables));
      const next = yield* this.#encodeSliced(tables, true);
      return this.#publishLater(next);
    } catch (error) {
      this.#isPublishing = false;
      throw error;
    }
  }

  async #publishLater(next: NextTables): Promise<void> {
    try {
      await machineLater(() => this.#native.enginePublishLater(this.#handle, next.bytes));
    } finally {
      this.#isPublishing = false;
    }
    this.#adopt(next);
    if (this.#meanwhile) await this.readjust(this.#meanwhile);
  }

  /** Two publications at once would not know of each other. */
  #refuseWhilePublishing(): void {
    if (this.#isPublishing)
      throw new HeadgateError(
        'bad_tables',
        'tables are just being published: try again in a second',
      );
  }

  /** `isBeside`: others have their turn before these are in force. */
  *#encodeSliced(tables: EngineTables, isBeside = false): Sliced<NextTables> {
    if (!isBeside) this.#refuseWhilePublishing();
    const blocks = assigned('blocks', this.#blocks, tables.blocks);
    const destinations = assigned(
      'destinations',
      this.#destinations,
      (tables.destinations ?? []).map(({ prefix }) => prefix),
    );
    const links = assigned(
      'links',
      this.#links,
      tables.links.map(({ link }) => link),
    );
    const indices = {
      block: (block: PrefixText) => blocks.slots.index(block),
      destination: (destination: PrefixText) => destinations.slots.index(destination),
      link: (link: LinkId) => links.slots.index(link),
    };
    const ways = this.#ways.copy();
    ways.aim(aimsOf(tables), process.hrtime.bigint(), this.#inheritsSessions);
    const bytes = yield* encodeSliced(tables, this.#wires, indices, ways);
    return { tables, ways, bytes, blocks, destinations, links };
  }

  #adopt({ tables, ways, blocks, destinations, links }: NextTables): void {
    this.#generation++;
    this.#ways = ways;
    this.#tables = tables;
    this.#blocks = blocks.slots;
    this.#destinations = destinations.slots;
    this.#links = links.slots;
    if (blocks.inherited.length > 0) this.#inherit(new Set(blocks.inherited));
  }

  prepare(weights: readonly Weights[]): Sliced<void> {
    return this.#ways.prepare(weights);
  }

  readjust(marks: MarkChanges): Promise<void> {
    if (this.#isPublishing) this.#meanwhile = { ...this.#meanwhile, ...marks };
    const ways = this.#ways.copy();
    ways.readjust(
      {
        ...(marks.otherwise && { otherwise: marks.otherwise }),
        ...(marks.groups && { groups: marks.groups }),
        ...(marks.down && { down: new Set(marks.down) }),
      },
      process.hrtime.bigint(),
    );
    const source = {
      links: this.#tables.links,
      ways,
      generation: this.#generation,
      hashKey: this.#tables.hashKey ?? '',
      link: (link: LinkId) => this.#links.index(link),
    };
    const bytes = new Uint8Array(marksBytes(source));
    writeMarks(new DataView(bytes.buffer), 0, source);
    this.#ways = ways;
    // One after the other: threads would not keep their order.
    const before = this.#readjusted;
    const now = before.then(() =>
      machineLater(() => this.#native.enginePublishMarks(this.#handle, bytes)),
    );
    this.#readjusted = now.catch(() => {});
    return now;
  }

  snapshot(): EngineSnapshot {
    return whole(this.snapshotSliced());
  }

  *snapshotSliced(): Sliced<EngineSnapshot> {
    const counts = machine(() => this.#native.engineSnapshot(this.#handle));
    const monotonicMs = performance.now();
    const pipeline = readPipeline(counts.pipeline);
    // As they are at this moment: new tables may be published between the slices.
    const [blocks, destinations, links] = [this.#blocks, this.#destinations, this.#links];
    const names: Names = {
      block: (index) => blocks.name(index),
      destination: (index) => destinations.name(index),
      link: (index) => links.name(index),
    };
    const cells = yield* readBlockCells(counts.blocks, names, this.#inherited);
    const wires = readWires(counts.wires);
    return {
      monotonicMs,
      generation: pipeline.generation,
      blocks: cells.counts,
      destinations: readDestinations(counts.destinations, names),
      links: linkCounts(counts.links, cells.totals, names),
      wires: this.#wireCounts(wires),
      unparsed: pipeline.unparsed,
      unmeasured: {
        ...pipeline.unmeasured,
        copy_ring_full: total(wires, ({ copies }) => copies.lost),
        session_not_sampled: total(wires, ({ copies }) => copies.leftOut),
      },
      marks: {
        set: pipeline.marked,
        cleared: pipeline.cleared,
        sessions: this.#tables.links.map(({ link }) => ({
          link,
          sessions: pipeline.sessionsMarked[this.#links.index(link)] ?? 0,
        })),
        kept: pipeline.sessionsKept,
        remarked: pipeline.sessionsRemarked,
        exceptions: pipeline.exceptions,
        exceptionsMax: pipeline.exceptionsMax,
        exceptionsLost: pipeline.exceptionsLost,
        waysForgotten: this.#ways.forgotten,
      },
      resolvers: readResolvers(counts.resolvers),
      sessions: pipeline.sessions,
    };
  }

  wireStates(): ReadonlyArray<Pick<WireCount, 'wire' | 'state'>> {
    const records = readWires(machine(() => this.#native.engineWires(this.#handle)));
    return this.#wires.flatMap(({ name }, i) => {
      const record = records[i];
      return record ? [{ wire: name, state: record.state }] : [];
    });
  }

  networks(): readonly NetworkCount[] {
    const buffer = machine(() => this.#native.engineNetworks(this.#handle));
    return readNetworks(buffer, (index) => this.#links.name(index));
  }

  heaviest(): readonly HeavySession[] {
    return readHeaviest(machine(() => this.#native.engineHeaviest(this.#handle)));
  }

  blockRtts(averageMs: number): Sliced<BlockRtts> {
    return this.#rtts.look(this.#blocks, performance.now(), averageMs);
  }

  halves(): ReturnType<WireEngine['halves']> {
    const { segments, lost } = machine(() => this.#native.engineHalves(this.#handle));
    return { segments: readHalves(segments, (index) => this.#links.name(index)), lost };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#native.engineClose(this.#handle);
  }

  #wireCounts(records: readonly WireRecord[]): WireCount[] {
    return records.flatMap((record, i) => {
      const wire = this.#wires[i];
      if (!wire) return [];
      return [
        {
          wire: wire.name,
          driver: record.driver,
          driverReason: reasonOf(record.driver, wire.driver),
          state: record.state,
          unit: { inbound: record.unit[0], outbound: record.unit[1] },
          bypass: { inbound: record.bypass[0], outbound: record.bypass[1] },
          workers: record.workers.map(([inbound, outbound]) => ({ inbound, outbound })),
          lost: record.lost,
          coverage: coverageOf(record),
          unmarked: record.unmarked,
          discarded: record.discarded,
          ...(this.#followsSpin ? { quic: record.quic } : {}),
        },
      ];
    });
  }

  /** Remembers what the former owners of these indices have counted. */
  #inherit(indices: ReadonlySet<number>): void {
    const { blocks } = machine(() => this.#native.engineSnapshot(this.#handle));
    this.#inherited = new Map([...this.#inherited, ...cellsOf(blocks, indices)]);
    machine(() => this.#native.engineForgetBlockRtts(this.#handle, Uint32Array.from(indices)));
  }
}

const nothing: TrafficCount = { packets: 0, ipBytes: 0, l2Bytes: 0 };

/** Per link what the wires counted, the unknown link last. */
function linkCounts(
  buffer: ArrayBuffer,
  totals: LinkTotals,
  names: Pick<Names, 'link'>,
): LinkCount[] {
  const all = readLinks(buffer);
  return all.flatMap(({ tcp, rtt }, i) => {
    const isUnknown = i === all.length - 1;
    const link = isUnknown ? undefined : names.link(i);
    if (!isUnknown && link === undefined) return [];
    const counted = totals.get(isUnknown ? noLink : i);
    return [
      {
        link,
        inbound: counted?.inbound ?? nothing,
        outbound: counted?.outbound ?? nothing,
        tcp: { inbound: tcp[0], outbound: tcp[1] },
        // Where inbound packets go is inside.
        rtt: { inside: rtt[0], outside: rtt[1] },
      },
    ];
  });
}

const total = (records: readonly WireRecord[], of: (record: WireRecord) => number) =>
  records.reduce((sum, record) => sum + of(record), 0);

function coverageOf({ copies: { due, lost, leftOut } }: WireRecord): number {
  return due === 0 ? 1 : (due - lost - leftOut) / due;
}

/** Empty with a mirror, which has one port. */
function outsideOf({ name, driver, outside }: WireOptions): string {
  if (driver === 'mirror') return '';
  if (outside === undefined)
    throw new HeadgateError(
      'driver_unfit',
      `wire ${name} has no outside interface: name one, or set driver: mirror`,
    );
  return outside;
}

function reasonOf(chosen: Driver, asked: WireOptions['driver']): string {
  if (asked !== 'auto') return 'set';
  return chosen === 'af_packet' ? 'works on every interface' : 'installed on the ports';
}

interface Assigned<Name extends string> {
  readonly slots: Slots<Name>;
  readonly inherited: readonly number[];
}

const weightsIn = ({ otherwise, groups = [] }: EngineTables): readonly Weights[] => [
  ...(otherwise ? [otherwise] : []),
  ...groups.map(({ weights }) => weights),
];

function assigned<Name extends string>(
  what: string,
  slots: Slots<Name>,
  names: readonly Name[],
): Assigned<Name> {
  const next = slots.assign(names);
  if (next) return next;
  throw new HeadgateError(
    'bad_tables',
    `tables refused: ${names.length} ${what} where the wires were opened for ${slots.capacity}; restart headgate to make room`,
  );
}
