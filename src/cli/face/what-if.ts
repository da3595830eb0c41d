/** `headgate simulate`: by which link the networks of an AS-level Internet reach us, before and after a change. */
import { type Asked, actions, parseAsked, type Rung, together } from '../../core/simulate/ask.ts';
import { propagate } from '../../core/simulate/propagate.ts';
import { degree, indexOfAs, type Topology } from '../../core/simulate/topology.ts';
import { UseError } from './exit.ts';
import { formatShare, formatTable } from './text.ts';

/** What is asked, as given on the command line. */
export interface WhatIf {
  /** `link=count` */
  readonly prepend: readonly string[];
  /** `link=action` */
  readonly community: readonly string[];
  readonly fail: readonly string[];
  /** Links that alone announce a more-specific, comma-separated. */
  readonly only?: string;
}

export interface SimulatedLink {
  readonly name: string;
  readonly asn: number;
  readonly provider: number;
}

export interface LinkShare {
  readonly link: string;
  readonly asn: number;
  /** Share of all networks that reach us by this link. */
  readonly before: number;
  readonly after: number;
  /** The same, each network weighted by the square root of its customers: a stand-in for its traffic. */
  readonly weighted_before: number;
  readonly weighted_after: number;
}

export interface Answer {
  readonly links: readonly LinkShare[];
  /** Share of all networks that reach us by another link than before, or no more. */
  readonly moved: number;
  /** Share of all networks that reached us before and do not after. */
  readonly lost: number;
}

/** With `only` the answer is about the traffic to the more-specific; the rest of the network is as before. */
export function answerWhatIf(
  topology: Topology,
  links: readonly SimulatedLink[],
  given: WhatIf,
): Answer {
  const asked = new Map(links.map(({ name }) => [name, [] as Asked[]]));
  for (const text of given.prepend) {
    const [name, count] = parsePrepend(text, links);
    asked.get(name)?.push({ prepends: count });
  }
  for (const text of given.community) {
    const [name, action] = splitOnce(text, '--community', 'link=action');
    asked.get(known(name, links))?.push(askedOf(action, topology));
  }
  const failed = new Set(given.fail.map((name) => known(name, links)));
  const isUp = links.map(({ name }) => !failed.has(name));
  if (!isUp.includes(true)) throw new UseError('all links fail: nothing is left to simulate');
  const changes = links.map(({ name }) => together(asked.get(name) ?? []));
  const plain = links.map((): Asked => ({}));
  const before = spread(
    topology,
    links,
    links.map(() => true),
    plain,
  );
  const after =
    given.only === undefined
      ? spread(topology, links, isUp, changes)
      : spreadSpecific(topology, links, isUp, changes, given.only);
  let all = 0;
  let moved = 0;
  let lost = 0;
  for (const [as, link] of before.entries()) {
    if (link < 0) continue;
    all++;
    if (after[as] !== link) moved++;
    if ((after[as] ?? -1) < 0) lost++;
  }
  const was = sharesOf(topology, links, before);
  const is = sharesOf(topology, links, after);
  return {
    links: links.map(({ name, asn }, i) => ({
      link: name,
      asn,
      before: was[i]?.plain ?? 0,
      after: is[i]?.plain ?? 0,
      weighted_before: was[i]?.weighted ?? 0,
      weighted_after: is[i]?.weighted ?? 0,
    })),
    moved: moved / Math.max(1, all),
    lost: lost / Math.max(1, all),
  };
}

/** The rungs of a ladder in words, from rung 1: `more_specifics`, or actions joined by `+`. */
export function parseLadder(text: string, topology: Topology): readonly Rung[] {
  return text
    .split(',')
    .map((rung) =>
      rung.trim() === 'more_specifics'
        ? 'more_specifics'
        : together(rung.split('+').map((action) => askedOf(action.trim(), topology))),
    );
}

export function parseLinks(topology: Topology, text: string): SimulatedLink[] {
  return text.split(',').map((part) => {
    const match = /^([\w.-]+)=(\d+)$/.exec(part.trim());
    if (!match) throw new UseError(`--links: expected name=asn, found "${part}"`);
    const asn = Number(match[2]);
    const provider = indexOfAs(topology, asn);
    if (provider < 0) throw new UseError(`--links: AS${asn} is not in the relationships`);
    return { name: match[1] ?? '', asn, provider };
  });
}

export function renderAnswer({ links, moved, lost }: Answer): string {
  const table = formatTable(
    [
      { head: 'link', cell: (line) => line.link },
      { head: 'provider', cell: (line) => `AS${line.asn}` },
      { head: 'networks', cell: (line) => formatShare(line.before), align: 'right' },
      { head: 'then', cell: (line) => formatShare(line.after), align: 'right' },
      { head: 'by size', cell: (line) => formatShare(line.weighted_before), align: 'right' },
      { head: 'then', cell: (line) => formatShare(line.weighted_after), align: 'right' },
    ],
    links,
  );
  const unreached = lost > 0 ? `; ${formatShare(lost, 2)} no longer reach us` : '';
  return `${table}\n${formatShare(moved)} of the networks come in by another link${unreached}`;
}

/** Index of the link by AS; -1 where there is no route. */
function spread(
  topology: Topology,
  links: readonly SimulatedLink[],
  isUp: readonly boolean[],
  asked: readonly Asked[],
): Int8Array {
  const up = links.flatMap((_, i) => (isUp[i] ? [i] : []));
  const entries = up.map((i) => ({
    provider: links[i]?.provider ?? 0,
    prepends: 0,
    ...asked[i],
  }));
  return propagate(topology, entries).link.map((entry) => (entry < 0 ? -1 : (up[entry] ?? -1)));
}

/** The longer prefix wins wherever it is heard; elsewhere the aggregate does, which is announced on all links. */
function spreadSpecific(
  topology: Topology,
  links: readonly SimulatedLink[],
  isUp: readonly boolean[],
  asked: readonly Asked[],
  only: string,
): Int8Array {
  const names = new Set(only.split(',').map((name) => known(name.trim(), links)));
  const isAnnounced = links.map(({ name }, i) => names.has(name) && isUp[i] === true);
  const aggregate = spread(
    topology,
    links,
    isUp,
    links.map(() => ({})),
  );
  if (!isAnnounced.includes(true)) return aggregate;
  const specific = spread(topology, links, isAnnounced, asked);
  return aggregate.map((link, as) => ((specific[as] ?? -1) >= 0 ? (specific[as] ?? -1) : link));
}

function sharesOf(topology: Topology, links: readonly SimulatedLink[], link: Int8Array) {
  const plain = links.map(() => 0);
  const weighted = links.map(() => 0);
  for (const [as, i] of link.entries()) {
    if (i < 0) continue;
    plain[i] = (plain[i] ?? 0) + 1;
    weighted[i] = (weighted[i] ?? 0) + Math.sqrt(1 + degree(topology.customers, as));
  }
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) || 1;
  const all = { plain: sum(plain), weighted: sum(weighted) };
  return links.map((_, i) => ({
    plain: (plain[i] ?? 0) / all.plain,
    weighted: (weighted[i] ?? 0) / all.weighted,
  }));
}

function parsePrepend(text: string, links: readonly SimulatedLink[]): [string, number] {
  const [name, count] = splitOnce(text, '--prepend', 'link=count (0 to 20)');
  const value = Number(count);
  if (!Number.isInteger(value) || value < 0 || value > 20)
    throw new UseError(`--prepend: expected link=count (0 to 20), found "${text}"`);
  return [known(name, links), value];
}

function askedOf(action: string, topology: Topology): Asked {
  const asked = parseAsked(action, topology);
  if (asked.ok) return asked.value;
  throw new UseError(
    asked.error.code === 'unknown_as'
      ? `"${action}": that AS is not in the relationships`
      : `unknown action "${action}"; expected one of ${actions}`,
  );
}

function splitOnce(text: string, option: string, expected: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new UseError(`${option}: expected ${expected}, found "${text}"`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function known(name: string, links: readonly SimulatedLink[]): string {
  if (links.some((link) => link.name === name)) return name;
  throw new UseError(`no link "${name}"; links are ${links.map((link) => link.name).join(', ')}`);
}
