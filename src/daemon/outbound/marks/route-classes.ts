/** By which links each foreign prefix may leave: what a router told, as classes of destinations. */
import {
  covers,
  type Family,
  makePrefix,
  type Prefix,
  prefixOf,
} from '../../../core/base/prefix.ts';
import type { Sliced } from '../../../core/base/slices.ts';
import type { LinkId, PrefixText, RouterId } from '../../../core/base/units.ts';
import type { ScannedPrefix } from '../../../core/bgp/rib/adj-rib-in.ts';
import type { Settings } from '../../../core/settings/index.ts';
import { DestinationPacker, type PackedDestinations } from '../../../engine/index.ts';
import { describePath, type Speaker } from '../../../speaker/index.ts';
import { judgeRoute } from '../../routes/egress-routes.ts';
import { chooseSets, type LinkSet, linksIn, reachOf } from './link-sets.ts';
import { keyOf, Pasts, type RouteGroup } from './route-pasts.ts';

/** Destinations that may leave by the same links. */
export interface RouteClass {
  readonly name: string;
  readonly links: readonly LinkId[];
  readonly prefixes: number;
}

export interface RouteTable {
  readonly classes: readonly RouteClass[];
  /** The class of what no prefix covers; most prefixes are of it. */
  readonly otherwise: RouteClass;
  readonly groups: readonly RouteGroup[];
  /** Empty where all may leave by the same links. */
  readonly packed: PackedDestinations;
  /** Prefixes that may leave by a link. */
  readonly told: ReadonlyMap<LinkId, number>;
  /** Of each link, some of the prefixes that it was told for, drawn evenly; a default route among them. */
  readonly samples: ReadonlyMap<LinkId, readonly Prefix[]>;
  /** Whether the router told anything at all. */
  readonly isTold: boolean;
  /** The same while no prefix is in another group. */
  readonly digest: number;
  /** Prefixes whose set of links was too rare to be a class: they leave by a part of their links. */
  readonly reduced: number;
}

type Of = Pick<Settings, 'asn' | 'links' | 'routers' | 'networks'>;
type World = Pick<Speaker, 'rib' | 'ribPeerOf'>;

/** Entries of the table per slice. */
const stride = 512;
/** In the place of a group: as what no prefix covers. */
const inNone = 255;
const families = [4, 6] as const;
const samplesMax = 64;

export class RouteClasses {
  readonly #speaker: World;
  readonly #router: RouterId;
  readonly #pasts = new Pasts();
  #names: readonly LinkId[] = [];
  #sets: ReadonlyMap<Family, Uint32Array> = new Map();
  #otherwise: LinkSet = 0;
  #chosen: ReadonlyMap<LinkSet, LinkSet> = new Map();

  constructor(speaker: World, router: RouterId) {
    this.#speaker = speaker;
    this.#router = router;
  }

  /** Prefixes whose past was forgotten since too many changed in too many ways. */
  get forgotten(): number {
    return this.#pasts.forgotten;
  }

  /** Of some prefixes that a link was told for, how many still are, 0 to 1; 1 for none. */
  shareLeft(settings: Of, link: LinkId, prefixes: readonly Prefix[]): number {
    if (prefixes.length === 0) return 1;
    const { rib } = this.#speaker;
    const peer = this.#speaker.ribPeerOf(this.#router);
    const left = prefixes.filter((prefix) =>
      rib.paths(prefix).some((path) => {
        if (path.peer !== peer || path.isStale) return false;
        const found = judgeRoute(settings, describePath(rib, prefix, path, this.#router));
        return 'link' in found && found.link === link;
      }),
    );
    return left.length / prefixes.length;
  }

  /** The class of a prefix at the last look: that of the longest told prefix that covers it. */
  classOf(prefix: PrefixText): string {
    return this.#nameOf(this.#setOf(prefix));
  }

  /** Its group at the last look; undefined: it goes as what no prefix covers. */
  groupOf(prefix: PrefixText): RouteGroup | undefined {
    const at = prefixOf(prefix);
    return this.#pasts.groupAt(at.family, this.#speaker.rib.entryOf(at));
  }

  /** Looks at all that the router told. `now`: ms of a clock that goes on. */
  *look(settings: Of, now: number): Sliced<RouteTable> {
    this.#names = settings.links.flatMap(({ router, name }) =>
      router === this.#router ? [name] : [],
    );
    const { counts, byDefault, samples } = yield* this.#readSets(settings);
    const told = this.#names.map((_, l) => {
      let sum = 0;
      for (const [set, count] of counts) sum += (set >>> l) & 1 ? count : 0;
      return sum;
    });
    this.#otherwise = reachOf(told, counts, byDefault);
    this.#chosen = chooseSets(counts, this.#names.length);
    const { classes, reduced } = this.#classesOf(counts);
    const packed = yield* this.#pack(counts, now);
    const ofRest = classes.find(({ name }) => name === this.#nameOf(this.#otherwise));
    return {
      classes,
      otherwise: ofRest ?? this.#classOf(this.#otherwise, 0),
      groups: packed.groups,
      packed: packed.destinations,
      digest: packed.digest,
      told: new Map(this.#names.map((name, l) => [name, told[l] ?? 0])),
      samples: new Map(this.#names.map((name, l) => [name, samples[l]?.prefixes ?? []])),
      isTold: counts.size > 0 || byDefault !== 0,
      reduced,
    };
  }

  /** First pass: the links of each prefix. */
  *#readSets(settings: Of) {
    const { rib } = this.#speaker;
    const counts = new Map<LinkSet, number>();
    // Many paths share a block of attributes, and with it the link.
    const known = new Map<number, number>();
    const own = settings.networks.map(prefixOf);
    let byDefault: LinkSet = 0;
    const samples = this.#names.map(() => new Sample());
    const sets = new Map<Family, Uint32Array>();
    for (const family of families) {
      const found = new Uint32Array(rib.lastEntry(family) + 1);
      sets.set(family, found);
      yield* this.#scan(family, (seen) => {
        let set: LinkSet = 0;
        for (const attributes of seen.paths) {
          const bit = known.get(attributes) ?? this.#linkBit(settings, family, seen, attributes);
          known.set(attributes, bit);
          set |= bit;
        }
        if (set === 0) return;
        if (own.some((network) => network.family === family && isWithin(seen, network))) return;
        for (const [l, sample] of samples.entries())
          if ((set >>> l) & 1) sample.offer(() => prefixIn(family, seen));
        if (seen.length === 0) {
          byDefault |= set;
          return;
        }
        if (seen.entry < found.length) found[seen.entry] = set;
        counts.set(set, (counts.get(set) ?? 0) + 1);
      });
    }
    this.#sets = sets;
    return { counts, byDefault, samples };
  }

  /** Second pass: each prefix with its group. */
  *#pack(counts: ReadonlyMap<LinkSet, number>, now: number) {
    const isAlike = [...counts.keys()].every((set) => this.#reduced(set) === this.#otherwise);
    let total = 0;
    for (const count of counts.values()) total += count;
    let digest = 0;
    const packer = new DestinationPacker(isAlike ? 1 : total);
    const marked = this.#pasts.begin(now);
    for (const family of families) {
      const sets = this.#sets.get(family);
      marked.reach(family, this.#speaker.rib.lastEntry(family));
      yield* this.#scan(family, (seen) => {
        const set = sets?.[seen.entry] ?? 0;
        if (set === 0) return;
        const own = this.#reduced(set);
        const name = own === this.#otherwise ? undefined : this.#nameOf(own);
        const place = marked.place(family, seen, name);
        // Where all are alike and ever were nobody needs to be told of any.
        if (place === undefined && isAlike) return;
        packer.add(family, seen.bytes, 0, seen.length, place ?? inNone);
        digest = (digest + Math.imul(keyOf(seen) ^ family, 2 * (place ?? inNone) + 1)) >>> 0;
      });
    }
    return { groups: marked.end(), destinations: packer.done(), digest };
  }

  *#scan(family: Family, visit: (seen: ScannedPrefix) => void): Sliced<void> {
    const peer = this.#speaker.ribPeerOf(this.#router);
    let cursor: number | undefined = 1;
    while (cursor !== undefined) {
      cursor = this.#speaker.rib.scan(family, peer, cursor, stride, visit);
      yield;
    }
  }

  #linkBit(settings: Of, family: Family, seen: ScannedPrefix, attributes: number): LinkSet {
    const path = { peer: 0, pathId: 0, attributes, isStale: false };
    const prefix = prefixIn(family, seen);
    const route = describePath(this.#speaker.rib, prefix, path, this.#router);
    const found = judgeRoute(settings, route);
    const at = 'link' in found ? this.#names.indexOf(found.link) : -1;
    return at < 0 ? 0 : 1 << at;
  }

  #setOf(prefix: PrefixText): LinkSet {
    const at = prefixOf(prefix);
    const set = this.#sets.get(at.family)?.[this.#speaker.rib.entryOf(at)] ?? 0;
    return set === 0 ? this.#otherwise : this.#reduced(set);
  }

  #reduced(set: LinkSet): LinkSet {
    return this.#chosen.get(set) ?? this.#otherwise;
  }

  #nameOf(set: LinkSet): string {
    return linksIn(set, this.#names).join('+');
  }

  #classOf(set: LinkSet, prefixes: number): RouteClass {
    return { name: this.#nameOf(set), links: linksIn(set, this.#names), prefixes };
  }

  #classesOf(counts: ReadonlyMap<LinkSet, number>) {
    const sums = new Map<LinkSet, number>();
    let reduced = 0;
    for (const [set, count] of counts) {
      const own = this.#reduced(set);
      sums.set(own, (sums.get(own) ?? 0) + count);
      if (own !== set) reduced += count;
    }
    return { classes: [...sums].map(([set, count]) => this.#classOf(set, count)), reduced };
  }
}

const prefixIn = (family: Family, { bytes, length }: ScannedPrefix): Prefix =>
  makePrefix(family, bytes.slice(0, family === 4 ? 4 : 16), length);

const isWithin = (seen: ScannedPrefix, network: Prefix): boolean =>
  seen.length >= network.length && covers(network, prefixIn(network.family, seen));

/** As many of a stream as there is room for, each as likely as any other (Vitter's algorithm R, with fixed numbers). */
class Sample {
  readonly prefixes: Prefix[] = [];
  #offered = 0;

  offer(make: () => Prefix): void {
    const at = this.#offered++;
    if (at < samplesMax) {
      this.prefixes.push(make());
      return;
    }
    const drawn = (Math.imul(at, 0x9e3779b1) >>> 0) % (at + 1);
    if (drawn < samplesMax) this.prefixes[drawn] = make();
  }
}
