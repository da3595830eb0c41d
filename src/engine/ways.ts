import { HeadgateError } from '../core/base/error.ts';
import type { Sliced } from '../core/base/slices.ts';
import type { LinkId, PrefixText } from '../core/base/units.ts';
import { layout } from './layout.ts';
import type { DestinationGroup, Weights } from './options.ts';
import { apportion } from './rendezvous.ts';

/** In place of a link: the router chooses. */
export const plain = 'plain';
/** In place of the link before: too long ago to tell, only sessions that were written down stay. */
export const written = 'written';

/** Where sessions go that begin, and where those stay that began before the last change: hg_bucket of core/mark.h. */
export interface Bucket {
  readonly now: LinkId | typeof plain;
  readonly before: LinkId | typeof plain | typeof written | undefined;
}

export interface WayState {
  /** Unlike any other that there was. */
  readonly id: number;
  /** Of these destinations alone, so that they can be given other weights by themselves. */
  readonly group?: string;
  /** Undefined: as what no destination covers. Empty: the router chooses. */
  readonly target: Weights | undefined;
  readonly buckets: readonly Bucket[];
  /** CLOCK_MONOTONIC of the last change; 0: there was none, or it is forgotten. */
  readonly sinceNs: bigint;
  /** The one link of all its sessions, of today's and yesterday's; undefined where there are several. */
  readonly alone: Bucket['now'] | undefined;
  /** Whether sessions may be elsewhere than it leads now. */
  readonly remembers: boolean;
}

export interface Aims {
  readonly destinations: ReadonlyMap<PrefixText, Weights | undefined>;
  readonly groups?: readonly DestinationGroup[];
  /** Of what no destination covers. */
  readonly otherwise: Weights;
  readonly down: ReadonlySet<LinkId>;
}

/** How long after a change older sessions are told from newer ones: HG_KEEP_TCP_NS of native/core/mark.h. */
const keepNs = 300_000_000_000n;
/** How long the sessions that were written down then are looked up; who lives longer moves with its destination. */
const forgetNs = 86_400_000_000_000n;
/** Destinations without an aim that are published all the same, for the sessions that stay. */
const lingeringMax = 10_000;

/**
 * The ways of sessions over publications. A session stays on the link that it began with: so a way remembers what it was
 * before, and a destination that is given another aim takes the memory of its old way along.
 */
export class Ways {
  #states: readonly WayState[] = [];
  #of: ReadonlyMap<PrefixText, WayState> = new Map();
  #groups: ReadonlyMap<string, WayState> = new Map();
  #otherwise: WayState | undefined;
  #aim: Weights = {};
  #down: ReadonlySet<LinkId> = new Set();
  #nextId = 0;
  #forgotten = 0;
  #apportioned = new Map<string, readonly (readonly LinkId[])[]>();

  /** Those that are published with their buckets, in their order. */
  get states(): readonly WayState[] {
    return this.#states;
  }
  /** By destination: those of the aims, and some that had one. */
  get destinations(): ReadonlyMap<PrefixText, WayState> {
    return this.#of;
  }
  /** By the name of the group. */
  get groups(): ReadonlyMap<string, WayState> {
    return this.#groups;
  }
  /** Of what no destination covers. */
  get otherwise(): WayState | undefined {
    return this.#otherwise;
  }
  get down(): ReadonlySet<LinkId> {
    return this.#down;
  }
  /** How often a way forgot what it was because there were too many: sessions in progress may have moved. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** For a publication that may be refused. */
  copy(): Ways {
    const copy = new Ways();
    copy.#states = this.#states;
    copy.#of = this.#of;
    copy.#groups = this.#groups;
    copy.#otherwise = this.#otherwise;
    copy.#aim = this.#aim;
    copy.#down = this.#down;
    copy.#nextId = this.#nextId;
    copy.#forgotten = this.#forgotten;
    copy.#apportioned = this.#apportioned;
    return copy;
  }

  /** New aims for all. `inherits`: at the first call, an earlier unit may have written sessions down. */
  aim(aims: Aims, nowNs: bigint, inherits = false): void {
    const former = this.#otherwise;
    const fresh = (target: Weights | undefined, isHeir = inherits): WayState => {
      const before = isHeir ? written : undefined;
      const buckets = this.#targets(target).map((now): Bucket => ({ now, before }));
      return this.#made(target, buckets, isHeir ? nowNs : 0n);
    };
    this.#aim = aims.otherwise;
    this.#down = aims.down;
    const base = former ? this.#stepped(former, aims.otherwise, nowNs) : fresh(aims.otherwise);
    const made = new Map<string, WayState>();
    const once = (key: string, make: () => WayState): WayState => {
      const state = made.get(key) ?? make();
      made.set(key, state);
      return state;
    };
    const next = (from: WayState | undefined, weights: Weights | undefined): WayState => {
      const isAsBase = weights === undefined && (from === undefined || from === former);
      if (isAsBase) return base;
      const key = keyOf(weights);
      if (!from && !former) return once(`new ${key}`, () => fresh(weights));
      const own = from ?? former ?? base;
      return once(`${own.id} ${key}`, () => this.#stepped(own, weights, nowNs));
    };
    const of = new Map<PrefixText, WayState>();
    for (const [prefix, weights] of aims.destinations)
      of.set(prefix, next(this.#of.get(prefix), weights));
    let lingering = 0;
    for (const [prefix, state] of this.#of) {
      if (of.has(prefix) || state === former || lingering === lingeringMax) continue;
      const own = next(state, undefined);
      if (!own.remembers) continue;
      of.set(prefix, own);
      lingering++;
    }
    this.#of = of;
    this.#groups = new Map(
      (aims.groups ?? []).map(({ name, weights, from }) => {
        const own = this.#groups.get(name);
        if (own) return [name, this.#stepped(own, weights, nowNs)];
        const before = this.#groups.get(from ?? '') ?? former ?? fresh(weights);
        const made = { ...before, id: this.#nextId++, group: name, alone: undefined };
        return [name, this.#stepped(made, weights, nowNs)];
      }),
    );
    this.#otherwise = base;
    this.#choosePublished();
  }

  /** Reckons what weights come to ahead of the call that needs it. */
  *prepare(weights: readonly Weights[]): Sliced<void> {
    for (const each of weights) {
      this.#preferencesOf(each);
      yield;
    }
  }

  /** The same destinations, with other weights or other links down. Before the first `aim` it does nothing. */
  readjust(aims: Partial<Pick<Aims, 'otherwise' | 'groups' | 'down'>>, nowNs: bigint): void {
    const former = this.#otherwise;
    if (!former) return;
    this.#aim = aims.otherwise ?? this.#aim;
    this.#down = aims.down ?? this.#down;
    const ofGroups = new Map(aims.groups?.map(({ name, weights }) => [name, weights]));
    const stepped = new Map<WayState, WayState>();
    const step = (state: WayState): WayState => {
      const own = state.group === undefined ? undefined : ofGroups.get(state.group);
      const target = state === former ? this.#aim : (own ?? state.target);
      const next = stepped.get(state) ?? this.#stepped(state, target, nowNs);
      stepped.set(state, next);
      return next;
    };
    // The places of the published ones stay: destinations name them.
    this.#states = this.#states.map(step);
    this.#of = new Map([...this.#of].map(([prefix, state]) => [prefix, step(state)]));
    this.#groups = new Map([...this.#groups].map(([name, state]) => [name, step(state)]));
    this.#otherwise = step(former);
  }

  #preferencesOf(weights: Weights): readonly (readonly LinkId[])[] {
    const key = keyOf(weights);
    const preferences = this.#apportioned.get(key) ?? apportion(weights);
    // Weights change for days: the latest are enough.
    if (this.#apportioned.size > 2 * layout.waysMax) this.#apportioned.clear();
    this.#apportioned.set(key, preferences);
    return preferences;
  }

  #targets(target: Weights | undefined): readonly Bucket['now'][] {
    const preferences = this.#preferencesOf(target ?? this.#aim);
    return preferences.map((links) => links.find((link) => !this.#down.has(link)) ?? plain);
  }

  /** Its buckets moved to where `target` leads now; itself when nothing changes. */
  #stepped(state: WayState, target: Weights | undefined, nowNs: bigint): WayState {
    const targets = this.#targets(target);
    const ageNs = nowNs - state.sinceNs;
    const isMoved = state.buckets.some(({ now }, i) => now !== targets[i]);
    const isForgotten = state.sinceNs !== 0n && ageNs >= forgetNs;
    const isClosed = (link: Bucket['before']) =>
      state.group !== undefined && target !== undefined && isLink(link) && !(link in target);
    const mustClose = state.buckets.some(({ before }) => isClosed(before));
    if (!isMoved && !isForgotten && !mustClose)
      return state.target === target ? state : { ...state, id: this.#nextId++, target };
    const buckets = state.buckets.map(({ now, before }, i): Bucket => {
      const wanted = targets[i] ?? plain;
      if (wanted !== now) return { now: wanted, before: isClosed(now) ? undefined : now };
      if (before === undefined || isForgotten || isClosed(before))
        return { now, before: undefined };
      return { now, before: ageNs >= keepNs ? written : before };
    });
    return this.#made(
      target,
      buckets,
      isMoved ? nowNs : isForgotten ? 0n : state.sinceNs,
      state.group,
    );
  }

  #made(
    target: Weights | undefined,
    buckets: readonly Bucket[],
    sinceNs: bigint,
    group?: string,
  ): WayState {
    const [first] = buckets;
    const remembers = buckets.some(({ before }) => before !== undefined);
    const isAlone = !remembers && buckets.every(({ now }) => now === first?.now);
    const alone = isAlone && group === undefined ? first?.now : undefined;
    const made = { id: this.#nextId++, target, buckets, sinceNs, alone, remembers };
    return group === undefined ? made : { ...made, group };
  }

  /** Which are published with buckets; when they are too many, the longest unchanged forget what they were. */
  #choosePublished(): void {
    for (;;) {
      const isPlain = this.#otherwise?.alone === plain;
      const all = new Set([
        ...this.#groups.values(),
        ...this.#of.values(),
        ...(this.#otherwise ? [this.#otherwise] : []),
      ]);
      const states = [...all].filter(
        ({ alone }) => alone === undefined || (alone === plain && !isPlain),
      );
      if (states.length <= layout.waysMax) {
        this.#states = states;
        return;
      }
      this.#forgotten++;
      const spare = states.filter(({ group }) => group === undefined);
      if (spare.length === 0)
        throw new HeadgateError('bad_tables', `tables refused: more than ${layout.waysMax} groups`);
      const changed = spare.filter(({ remembers }) => remembers);
      const oldest = (changed.length > 0 ? changed : spare).reduce((a, b) =>
        b.sinceNs < a.sinceNs ? b : a,
      );
      const twin = states.find((s) => s !== oldest && keyOf(s.target) === keyOf(oldest.target));
      const buckets = oldest.buckets.map(({ now }) => ({ now, before: undefined }));
      const forgetful = this.#made(oldest.target, buckets, 0n);
      const left = twin ?? (oldest.remembers ? forgetful : this.#otherwise);
      if (!left) return;
      const kept = (state: WayState) => (state === oldest ? left : state);
      this.#of = new Map([...this.#of].map(([prefix, state]) => [prefix, kept(state)]));
      this.#otherwise = this.#otherwise && kept(this.#otherwise);
    }
  }
}

const isLink = (place: Bucket['before']): place is LinkId =>
  place !== undefined && place !== plain && place !== written;

const keyOf = (weights: Weights | undefined): string =>
  weights === undefined ? 'otherwise' : JSON.stringify(Object.entries(weights).sort());
