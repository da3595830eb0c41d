/** Destinations whose round trips by each link were measured: classes of their own, by links and nearness. */
import type { LinkId, PrefixText } from '../../../core/base/units.ts';
import type { ClassWay } from '../../../core/decide/weights/index.ts';
import type { PathTimes } from '../destinations.ts';
import type { NearClass, NearMembers } from '../shared.ts';
import type { RouteGroup } from './route-pasts.ts';

/** Where a destination stands without its times. */
export interface Plainly {
  readonly class: string;
  readonly links: readonly LinkId[];
  readonly group: string | undefined;
}

/** More kinds of nearness than these at a time are not told apart. */
const groupsMax = 10;
/** Round trips are told apart by this part of the longest. */
const levels = 4;
/** A round trip stays at its level until it is this much of one beyond. */
const slack = 0.25;
const samplesMin = 4;

export class NearClasses {
  readonly #of = new Map<PrefixText, { readonly class: NearClass; readonly group: RouteGroup }>();
  /** Those that destinations are in, by class and past. */
  readonly #groups = new Map<string, RouteGroup>();
  #made = 0;
  #forgotten = 0;

  /** Destinations that were not told apart since there were too many kinds. */
  get forgotten(): number {
    return this.#forgotten;
  }

  classOf(prefix: PrefixText): NearClass | undefined {
    return this.#of.get(prefix)?.class;
  }

  groupOf(prefix: PrefixText): RouteGroup | undefined {
    return this.#of.get(prefix)?.group;
  }

  /** In use. */
  get classes(): readonly NearClass[] {
    return [
      ...new Map([...this.#of.values()].map((each) => [each.class.name, each.class])).values(),
    ];
  }
  get groups(): readonly RouteGroup[] {
    return [...new Map([...this.#of.values()].map(({ group }) => [group.name, group])).values()];
  }

  get members(): readonly NearMembers[] {
    return this.classes.map(({ name, ways }) => ({
      name,
      ways,
      prefixes: [...this.#of].flatMap(([prefix, each]) => (each.class.name === name ? prefix : [])),
    }));
  }

  /** Takes what another unit told apart, and nothing of its own. */
  follow(members: readonly NearMembers[], plainly: (prefix: PrefixText) => Plainly): void {
    const told = new Map(
      members.flatMap(({ prefixes, ...near }) => prefixes.map((prefix) => [prefix, near] as const)),
    );
    for (const prefix of this.#of.keys()) if (!told.has(prefix)) this.#of.delete(prefix);
    for (const [prefix, near] of told) this.#put(prefix, near, plainly(prefix).group);
    this.#tidy();
  }

  /**
   * Takes the latest times; without any for a destination it stays as it is. Who is not among `prefixes` goes plainly
   * again, and so do all without `times`.
   */
  look(
    prefixes: readonly PrefixText[],
    times: ReadonlyMap<PrefixText, PathTimes> | undefined,
    plainly: (prefix: PrefixText) => Plainly,
  ): void {
    const wanted = new Set(times ? prefixes : []);
    for (const prefix of this.#of.keys()) if (!wanted.has(prefix)) this.#of.delete(prefix);
    if (times) this.#place(times, wanted, plainly);
    this.#tidy();
  }

  #tidy(): void {
    // Their room is for others; what came from them has taken their past along.
    const used = new Set([...this.#of.values()].map(({ group }) => group));
    for (const [key, group] of this.#groups) if (!used.has(group)) this.#groups.delete(key);
  }

  #place(
    times: ReadonlyMap<PrefixText, PathTimes>,
    wanted: ReadonlySet<PrefixText>,
    plainly: (prefix: PrefixText) => Plainly,
  ): void {
    for (const prefix of new Set([...this.#of.keys(), ...times.keys()])) {
      if (!wanted.has(prefix)) continue;
      const { class: name, links, group } = plainly(prefix);
      const before = this.#of.get(prefix);
      const near =
        classOf(name, links, times.get(prefix), before?.class) ??
        (before && leftOf(before.class, name, links));
      if (!near || this.#put(prefix, near, group)) continue;
      // Never by a link that it is not told for.
      if (before && leftOf(before.class, name, links)) this.#of.delete(prefix);
    }
  }

  /** Whether it stands there now. */
  #put(prefix: PrefixText, near: NearClass, plain: string | undefined): boolean {
    const before = this.#of.get(prefix);
    if (near.name === before?.class.name) return true;
    const from = before?.group.name ?? plain;
    const found = near.ways.length > 0 ? this.#groupOf(near.name, from) : undefined;
    if (found) this.#of.set(prefix, { class: near, group: found });
    else this.#forgotten++;
    return found !== undefined;
  }

  #groupOf(className: string, from: string | undefined): RouteGroup | undefined {
    const key = `${className}<${from ?? ''}`;
    const known = this.#groups.get(key);
    if (known) return known;
    if (this.#groups.size >= groupsMax) return undefined;
    // A name of its own: the engine knows pasts by it, and another group may have had this class and origin.
    const name = `${className}#${this.#made++}`;
    const group = { name, class: className, ...(from === undefined ? {} : { from }) };
    this.#groups.set(key, group);
    return group;
  }
}

/** Undefined while not every link was measured. */
function classOf(
  plain: string,
  links: readonly LinkId[],
  times: PathTimes | undefined,
  before: NearClass | undefined,
): NearClass | undefined {
  const known = links.map((link) => times?.[link]);
  if (known.some((time) => (time?.samples ?? 0) < samplesMin)) return undefined;
  const longest = Math.max(...known.map((time) => time?.us ?? 0));
  if (longest === 0) return undefined;
  const ways = links.map((link, l) => {
    const exact = ((known[l]?.us ?? 0) / longest) * levels;
    const old = before?.ways.find((way) => way.link === link)?.response;
    const stays = old !== undefined && Math.abs(exact - old * levels) <= 0.5 + slack;
    const level = stays ? old * levels : Math.max(1, Math.round(exact));
    return { link, response: level / levels };
  });
  return named(plain, ways);
}

/** What is left of it where some of its links are not told any more; undefined while all are. */
function leftOf(before: NearClass, plain: string, links: readonly LinkId[]): NearClass | undefined {
  const ways = before.ways.filter(({ link }) => links.includes(link));
  return ways.length === before.ways.length ? undefined : named(plain, ways);
}

const named = (plain: string, ways: readonly ClassWay[]): NearClass => ({
  name: `${plain}@${ways.map(({ response }) => response).join('/')}`,
  ways,
});
