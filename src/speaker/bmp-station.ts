/**
 * A station of the BGP Monitoring Protocol (RFC 7854): routers connect and tell what their peers told them and what they
 * tell their peers. It only listens; nothing is ever sent to a router.
 */
import type { Duplex } from 'node:stream';
import type { Prefix } from '../core/base/prefix.ts';
import type { Result } from '../core/base/result.ts';
import { Splitter } from '../core/base/splitter.ts';
import type { RouterId } from '../core/base/units.ts';
import { AdjRibIn, type Path } from '../core/bgp/rib/adj-rib-in.ts';
import { decodeBlock, type IntakeTally, UpdateIntake } from '../core/bgp/rib/intake.ts';
import type { AsPathSegment } from '../core/wire/bgp/attributes.ts';
import type { BgpError } from '../core/wire/bgp/error.ts';
import type { Open } from '../core/wire/bgp/open.ts';
import {
  type BmpMessage,
  type BmpPeer,
  type BmpTable,
  bmpFraming,
  decodeBmpMessage,
} from '../core/wire/bmp/message.ts';
import type { KeptPath, OpenListener, PathMonitor, SpeakerLog } from './peering.ts';
import { describePath, prefixesAt } from './routes.ts';
import { openPlainListener } from './sockets.ts';
import { Counters, type ReceivedRoute } from './status.ts';

export interface BmpOptions {
  readonly listen: { readonly address: string; readonly port: number };
  /** Routers by the address that they connect from; others are refused. */
  readonly routers: ReadonlyArray<{ readonly name: RouterId; readonly address: string }>;
  readonly localAsn: number;
  /** Paths of one router beyond these are not kept [2,500,000]. */
  readonly maxPaths?: number;
  readonly log: SpeakerLog;
  readonly openListener?: OpenListener;
}

/** One table of one peer of a router. Plain JSON. */
export interface MonitoredPeer {
  readonly router: RouterId;
  readonly address: string;
  readonly asn: number;
  readonly table: BmpTable;
  readonly isUp: boolean;
  readonly paths: number;
  /** Why the session went down, while it is down. */
  readonly reason?: string;
  /** As the router counts: `rejected_by_policy`, `routes_in`, … */
  readonly statistics: Readonly<Record<string, number>>;
}

export interface MonitoredRoute extends ReceivedRoute {
  readonly peer: string;
  readonly table: BmpTable;
}

export type MonitoredTable = Pick<AdjRibIn, 'entries' | 'covering' | 'longestLength' | 'paths'>;

export interface MonitoredRouter {
  readonly router: RouterId;
  readonly isConnected: boolean;
  /** As the router calls itself. */
  readonly systemName: string;
  readonly counters: Readonly<Record<string, number>>;
}

interface View {
  readonly peer: BmpPeer;
  readonly ribPeer: number;
  intake: UpdateIntake;
  isUp: boolean;
  reason: string | undefined;
  statistics: Record<string, number>;
  /** What both sides said when the session came up. */
  opens: Opens | undefined;
  /** Prefixes come with path identifiers (RFC 7911). */
  hasPathIds: boolean;
}

const sweepEntries = 5_000;

export class BmpStation implements PathMonitor {
  readonly #options: BmpOptions;
  readonly #feeds: ReadonlyMap<RouterId, Feed>;
  readonly #refused = new Counters();
  readonly #listeners = new Set<(router: RouterId) => void>();
  #listening: { close(): Promise<void> } | undefined;

  constructor(options: BmpOptions) {
    this.#options = options;
    const changed = (router: RouterId) => {
      for (const listener of this.#listeners) listener(router);
    };
    this.#feeds = new Map(
      options.routers.map(({ name }) => [name, new Feed(name, options, () => changed(name))]),
    );
  }

  /** Told of a router whenever what it keeps may have changed. */
  onChange(listener: (router: RouterId) => void): void {
    this.#listeners.add(listener);
  }

  /** Throws HeadgateError `listen_failed`. */
  async start(): Promise<void> {
    const { listen, routers, log } = this.#options;
    const open = this.#options.openListener ?? openPlainListener;
    this.#listening = await open({
      ...listen,
      peers: [],
      accept: (socket, address) => {
        const router = routers.find((candidate) => candidate.address === address);
        const feed = router && this.#feeds.get(router.name);
        if (feed) feed.adopt(socket);
        else {
          this.#refused.add('unknown_router');
          log.warn({ address }, `bmp: ${address} is no router of ours: refused`);
          socket.destroy();
        }
      },
    });
  }

  /** Twice is harmless. */
  async stop(): Promise<void> {
    for (const feed of this.#feeds.values()) feed.close();
    await this.#listening?.close();
    this.#listening = undefined;
  }

  routers(): readonly MonitoredRouter[] {
    return [...this.#feeds.values()].map((feed) => feed.status);
  }

  peers(): readonly MonitoredPeer[] {
    return [...this.#feeds.values()].flatMap((feed) => feed.peers);
  }

  /** What routers told of every peer's tables for prefixes equal to or covering `at`, or all. */
  routes(at?: string): readonly MonitoredRoute[] {
    return [...this.#feeds.values()].flatMap((feed) => feed.routes(at));
  }

  /** Whether a router keeps, after its policy, what we told it; undefined when it does not tell of us. */
  accepts(router: RouterId, unit: string, prefix: Prefix): boolean | undefined {
    return this.#feeds.get(router)?.holds(unit, 'in_post', prefix);
  }

  /**
   * Whether the router tells all that it kept of its neighbours of other networks: what its best path hides is known
   * then as by add-path.
   */
  tellsKept(router: RouterId): boolean {
    return (this.#feeds.get(router)?.keepers.length ?? 0) > 0;
  }

  /** What the router kept of its neighbours of other networks, of exactly this prefix. */
  kept(router: RouterId, prefix: Prefix): readonly KeptPath[] {
    return this.#feeds.get(router)?.kept(prefix) ?? [];
  }

  /** The same as people see it, of all prefixes or those equal to or covering `at`. */
  keptRoutes(router: RouterId, at?: string): readonly ReceivedRoute[] {
    return this.#feeds.get(router)?.keptRoutes(at) ?? [];
  }

  /** All that routers told of whichever of their tables, of those that `tellsKept`: read only, for the moment. */
  tables(): ReadonlyMap<RouterId, MonitoredTable> {
    const tellers = [...this.#feeds].filter(([router]) => this.tellsKept(router));
    return new Map(tellers.map(([router, feed]) => [router, feed.table]));
  }

  /** Whether the router has a session with a neighbour of this AS; undefined when it tells of none. */
  isNeighborUp(router: RouterId, asn: number): boolean | undefined {
    const told = this.#feeds.get(router)?.peers.filter((peer) => peer.asn === asn) ?? [];
    return told.length === 0 ? undefined : told.some((peer) => peer.isUp);
  }
}

/** What one router tells, while its connection lasts. */
class Feed {
  readonly #router: RouterId;
  readonly #options: BmpOptions;
  readonly #changed: () => void;
  readonly #counters = new Counters();
  readonly #views = new Map<string, View>();
  #rib = new AdjRibIn();
  #socket: Duplex | undefined;
  #splitter = new Splitter(bmpFraming);
  #systemName = '';

  constructor(router: RouterId, options: BmpOptions, changed: () => void) {
    this.#router = router;
    this.#options = options;
    this.#changed = changed;
  }

  get table(): AdjRibIn {
    return this.#rib;
  }

  /** Its neighbours of other networks, after policy. */
  get keepers(): readonly View[] {
    const { localAsn } = this.#options;
    return [...this.#views.values()].filter(
      ({ peer, isUp }) => isUp && peer.table === 'in_post' && peer.asn !== localAsn,
    );
  }

  kept(prefix: Prefix): readonly KeptPath[] {
    const { attributes: store } = this.#rib;
    return this.#rib
      .paths(prefix)
      .filter(this.#isKept())
      .map(({ attributes: block }) => {
        const { nextHop, attributes } = decodeBlock(store.bytesOf(block), store.kindOf(block));
        const asPath = this.#asHeard(attributes.asPath ?? []);
        return { nextHop, attributes: { ...attributes, asPath } };
      });
  }

  keptRoutes(at: string | undefined): readonly ReceivedRoute[] {
    const isKept = this.#isKept();
    return [...prefixesAt(this.#rib, at)].flatMap(({ prefix, paths }) =>
      paths.filter(isKept).map((path) => {
        const route = describePath(this.#rib, prefix, path, this.#router);
        const own = `${this.#options.localAsn} `;
        const { asPath } = route;
        return { ...route, asPath: asPath.startsWith(own) ? asPath.slice(own.length) : asPath };
      }),
    );
  }

  /** FRR 8.4 puts the router's own AS in front of what its neighbours of other networks told, as if it told it on. */
  #asHeard([first, ...rest]: readonly AsPathSegment[]): readonly AsPathSegment[] {
    if (first?.kind !== 'sequence' || first.asns[0] !== this.#options.localAsn)
      return first ? [first, ...rest] : [];
    const asns = first.asns.slice(1);
    return asns.length > 0 ? [{ kind: 'sequence', asns }, ...rest] : rest;
  }

  #isKept(): (path: Path) => boolean {
    const keepers = new Set(this.keepers.map(({ ribPeer }) => ribPeer));
    return ({ peer, isStale }) => keepers.has(peer) && !isStale;
  }

  get status(): MonitoredRouter {
    return {
      router: this.#router,
      isConnected: this.#socket !== undefined,
      systemName: this.#systemName,
      counters: this.#counters.toJson(),
    };
  }

  get peers(): readonly MonitoredPeer[] {
    return [...this.#views.values()].map(({ peer, ribPeer, isUp, reason, statistics }) => ({
      router: this.#router,
      address: peer.address,
      asn: peer.asn,
      table: peer.table,
      isUp,
      paths: this.#rib.pathsOf(ribPeer),
      ...(reason === undefined ? {} : { reason }),
      statistics,
    }));
  }

  routes(at: string | undefined): readonly MonitoredRoute[] {
    const views = new Map([...this.#views.values()].map((view) => [view.ribPeer, view]));
    return [...prefixesAt(this.#rib, at)].flatMap(({ prefix, paths }) =>
      paths.flatMap((path): readonly MonitoredRoute[] => {
        const view = views.get(path.peer);
        if (!view) return [];
        const { address, table } = view.peer;
        const route = describePath(this.#rib, prefix, path, this.#router);
        return [{ ...route, peer: address, table }];
      }),
    );
  }

  holds(address: string, table: BmpTable, prefix: Prefix): boolean | undefined {
    const view = [...this.#views.values()].find(
      ({ peer, isUp }) => isUp && peer.table === table && peer.address === address,
    );
    return view && this.#rib.paths(prefix).some(({ peer }) => peer === view.ribPeer);
  }

  /** A new connection tells everything from the beginning. */
  adopt(socket: Duplex): void {
    this.close();
    this.#socket = socket;
    this.#splitter = new Splitter(bmpFraming);
    this.#counters.add('connections');
    this.#options.log.info({ router: this.#router }, `bmp: ${this.#router} is connected`);
    socket.on('data', (chunk: Buffer) => {
      if (socket === this.#socket) this.#receive(new Uint8Array(chunk));
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (socket === this.#socket) this.#lose('closed by the router');
    });
  }

  close(): void {
    if (this.#socket) this.#lose('closed');
  }

  #lose(reason: string): void {
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#views.clear();
    // What it told is gone at once, whatever its size.
    this.#rib = new AdjRibIn();
    this.#changed();
    this.#options.log.info({ router: this.#router, reason }, `bmp: ${this.#router}: ${reason}`);
  }

  #receive(chunk: Uint8Array): void {
    this.#splitter.push(chunk);
    for (let next = this.#splitter.next(); next; next = this.#splitter.next()) {
      if (!next.ok) {
        this.#counters.add(`error.${next.error.code}`);
        this.#lose(`a message of ${next.error.length} bytes cannot be`);
        return;
      }
      const message = decodeBmpMessage(next.value);
      if (message.ok) this.#take(message.value);
      else {
        const { code, offset } = message.error;
        this.#counters.add(`error.${code}`);
        if (code !== 'version') continue;
        this.#lose(`${code} at byte ${offset}: not BMP version 3`);
        return;
      }
      if (!this.#socket) return;
    }
  }

  #take(message: BmpMessage): void {
    this.#counters.add(`in.${message.kind}`);
    switch (message.kind) {
      case 'initiation':
        this.#systemName = message.systemName;
        return;
      case 'termination':
        this.#lose(`the router ends it: ${message.reason}`);
        return;
      case 'peer_up': {
        // One Peer Up stands for both directions and policies of the session.
        for (const view of this.#sameSession(message.peer)) {
          view.isUp = true;
          view.reason = undefined;
          view.opens = message;
          view.hasPathIds = hasPathIds(view.peer, message);
          view.intake = this.#intakeOf(view, view.hasPathIds);
        }
        this.#viewOf(message.peer, message);
        return;
      }
      case 'peer_down':
        for (const view of this.#sameSession(message.peer)) {
          view.isUp = false;
          view.reason = message.reason;
          this.#empty(view);
        }
        this.#changed();
        return;
      case 'statistics': {
        const view = this.#viewOf(message.peer);
        for (const { name, value } of message.counts) view.statistics[name] = value;
        return;
      }
      case 'route_monitoring':
        this.#takeUpdate(message.peer, message.update);
        return;
      case 'ignored':
        return;
    }
  }

  #takeUpdate(peer: BmpPeer, update: Uint8Array): void {
    const view = this.#viewOf(peer);
    const limit = this.#options.maxPaths ?? 2_500_000;
    if (this.#rib.pathsOf(view.ribPeer) >= limit) {
      this.#counters.add('paths_over_limit');
      return;
    }
    let taken = view.intake.take(update);
    if (isMisread(taken)) {
      // FRR decides by what it sends, not by what it receives: the other reading may be the right one.
      const other = this.#intakeOf(view, !view.hasPathIds);
      const again = other.take(update);
      if (!isMisread(again)) {
        this.#counters.add('path_ids_unlike_agreed');
        view.hasPathIds = !view.hasPathIds;
        view.intake = other;
        taken = again;
      }
    }
    if (!taken.ok) {
      this.#counters.add(`error.${taken.error.code}`);
      return;
    }
    for (const { code } of taken.value.errors) this.#counters.add(`error.${code}`);
    this.#counters.add('routes_in', taken.value.announced);
    this.#counters.add('withdrawals_in', taken.value.withdrawn);
    if (view.peer.table === 'in_post') this.#changed();
  }

  #viewOf(peer: BmpPeer, opens?: Opens): View {
    const key = `${sessionOf(peer)} ${peer.table}`;
    const known = this.#views.get(key);
    if (known) return known;
    const told = opens ?? this.#sameSession(peer)[0]?.opens;
    const ribPeer = this.#rib.addPeer();
    const withIds = hasPathIds(peer, told);
    const view: View = {
      peer,
      ribPeer,
      intake: this.#intakeOf({ peer, ribPeer }, withIds),
      isUp: true,
      reason: undefined,
      statistics: {},
      opens: told,
      hasPathIds: withIds,
    };
    this.#views.set(key, view);
    return view;
  }

  #sameSession(peer: BmpPeer): readonly View[] {
    return [...this.#views.values()].filter((view) => sessionOf(view.peer) === sessionOf(peer));
  }

  #intakeOf({ peer, ribPeer }: Pick<View, 'peer' | 'ribPeer'>, withIds: boolean): UpdateIntake {
    return new UpdateIntake(this.#rib, ribPeer, {
      as4: peer.as4,
      isInternal: peer.table === 'local' || peer.asn === this.#options.localAsn,
      addPath: { 4: withIds, 6: withIds },
      acceptAsSets: true,
    });
  }

  #empty(view: View): void {
    const rib = this.#rib;
    for (const family of [4, 6] as const) {
      rib.markStale(view.ribPeer, family);
      let cursor: number | undefined = 1;
      const portion = () => {
        if (rib !== this.#rib || cursor === undefined) return;
        cursor = rib.sweepStale(family, view.ribPeer, cursor, sweepEntries, () => {});
        setImmediate(portion);
      };
      portion();
    }
  }
}

type Opens = Pick<BmpMessage & { kind: 'peer_up' }, 'sent' | 'received'>;

const sessionOf = ({ address, distinguisher, table }: BmpPeer): string =>
  `${distinguisher} ${table === 'local' ? 'local' : address}`;

/** RFC 7911 section 4: identifiers are there when one side sends them and the other takes them. */
function hasPathIds({ table }: BmpPeer, opens: Opens | undefined): boolean {
  const isOut = table.startsWith('out');
  const [from, to] = isOut ? [opens?.sent, opens?.received] : [opens?.received, opens?.sent];
  const offers = (open: Open | undefined, wanted: 'send' | 'receive') =>
    open?.capabilities.some(
      (capability) =>
        capability.kind === 'add_path' &&
        capability.families.some(({ mode }) => mode === wanted || mode === 'both'),
    ) ?? false;
  return offers(from, 'send') && offers(to, 'receive');
}

/** The prefixes cannot be read as they should be: as without identifiers where there are some, or the reverse. */
const isMisread = (taken: Result<IntakeTally, BgpError>): boolean =>
  taken.ok
    ? taken.value.errors.some(({ code }) => code.startsWith('nlri_'))
    : taken.error.code.startsWith('nlri_');
