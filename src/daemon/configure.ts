/** Settings as each component wants them. Pure. */
import { asn } from '../core/base/units.ts';
import type { SteeredLink } from '../core/bgp/announcement.ts';
import {
  defaultLadder,
  describeRung,
  type Ladder,
  type ProviderAction,
  type RungAction,
} from '../core/bgp/steering.ts';
import {
  defaultRails,
  defaultWeights,
  type Policy,
  type RailsPolicy,
} from '../core/decide/policy.ts';
import type { RailsSettings, RouterSettings, Settings } from '../core/settings/index.ts';
import type { EngineOptions, EngineTables, LinkRule, Mark, WireOptions } from '../engine/index.ts';
import type { RouterPeering } from '../speaker/index.ts';
import { probeAddresses } from './measure/own-probes.ts';

/** Times of the loop, milliseconds; defaults of DESIGN.md section 5 divided by the time scale. */
export interface CycleTimes {
  readonly intervalMs: number;
  readonly averageMs: number;
}

export function cycleTimesOf({ cycle, timeScale }: Settings): CycleTimes {
  const intervalMs = cycle.interval ?? 30_000 / timeScale;
  return { intervalMs, averageMs: Math.max(cycle.average ?? 120_000 / timeScale, intervalMs) };
}

export function wiresOf({ wires }: Settings): readonly WireOptions[] {
  return wires.map(({ name, place, inside, outside, driver, linkState, workers }) => ({
    name,
    passesLinkState: linkState === 'pass',
    place,
    inside,
    driver,
    workers,
    ...(outside === undefined ? {} : { outside }),
  }));
}

/** All that decides how much memory the wires take. */
export function engineOptionsOf(settings: Settings): Omit<EngineOptions, 'wires'> {
  return {
    tables: tablesOf(settings),
    ...(settings.outbound ? { destinationsMax: settings.outbound.counted } : {}),
    followsSpin: settings.measure.quicSpin,
    findsHeaviest: settings.routers.some(({ driver }) => driver?.outbound === 'sessions'),
  };
}

/** What is told of sessions that two units each see one direction of. `whole`: the settings of all units. */
export function halvesOf(whole: Settings): Pick<EngineOptions, 'halves'> {
  const { cluster } = whole;
  if (cluster === undefined || cluster.joined.share === 0) return {};
  return { halves: { share: cluster.joined.share, key: cluster.network } };
}

export function tablesOf(settings: Settings): EngineTables {
  return {
    blocks: [...settings.blocks.map((block) => block.prefix), ...probeAddresses(settings)],
    links: settings.links.flatMap((link): readonly LinkRule[] => {
      const { attribute, mark } = link;
      return attribute
        ? [{ link: link.name, attribute, ...(mark === undefined ? {} : { mark: markOf(mark) }) }]
        : [];
    }),
  };
}

function markOf(mark: NonNullable<Settings['links'][number]['mark']>): Mark {
  return 'vlan' in mark ? { vlan: mark.vlan } : { dscp: mark.dscp };
}

/** Room beyond the blocks and their parts. */
const spareAnnouncements = 16;

/** The most prefixes that one router is told: a block that is a whole network may be announced with its halves. */
export const announcedMax = ({ steering, blocks }: Settings): number =>
  steering.maxAnnounced ?? blocks.length * 3 + spareAnnouncements;

/** How much there is to steer, in the words of logs. */
export const extentOf = ({ mode, links, blocks }: Settings) => ({
  mode,
  links: links.length,
  blocks: blocks.length,
});

/** The routers that we hold a session with. */
export function peeringsOf(settings: Settings): readonly RouterPeering[] {
  return settings.routers.flatMap((router) => peeringOf(settings, router));
}

function peeringOf(settings: Settings, router: RouterSettings): readonly RouterPeering[] {
  const { bgp } = router;
  if (bgp === undefined) return [];
  const { management } = settings;
  const localAddress = bgp.localAddress ?? sameFamily(management.address, router.address);
  const isInternal = (router.asn ?? settings.asn) === settings.asn;
  // Where a driver carries detours nobody is to be told of them twice.
  const takesDetours = isInternal && router.driver?.outbound === undefined;
  const egressAddress =
    bgp.egressAddress ??
    sameFamily(takesDetours ? management.egressAddress : undefined, router.address);
  return [
    {
      name: router.name,
      address: router.address,
      asn: router.asn ?? settings.asn,
      ...defined({
        port: bgp.port,
        localAddress,
        egressAddress,
        md5: bgp.md5,
        ttlSecurityHops: bgp.ttlSecurityHops,
        passive: bgp.passive,
        holdTimeS: inSeconds(bgp.holdTime),
        addPath: bgp.addPath,
        gracefulRestartS: inSeconds(bgp.gracefulRestart),
        role: bgp.role,
        nextHop: bgp.nextHop,
        announceDelayMs: bgp.announceDelay,
        mraiMs: bgp.mrai,
        maxPrefixesReceived: bgp.maxPrefixes,
      }),
    },
  ];
}

/** Numbered as the routers' policies know them: their place in the settings, from 1. Links whose router hears no blocks are left out. */
export function steeredLinksOf(
  settings: Settings,
  isEligible: (link: string) => boolean,
): readonly SteeredLink[] {
  return settings.links.flatMap((link, i) => {
    const router = settings.routers.find(({ name }) => name === link.router);
    if (!router || (router.bgp === undefined && !router.driver?.blocks)) return [];
    return [
      {
        id: link.name,
        number: i + 1,
        router: router.name,
        neighbor: link.asn,
        isEligible: isEligible(link.name),
        isRequired: router.bgp?.required ?? true,
        ...(router.bgp?.prepend === 'path' ? { prependsInPath: true } : {}),
      },
    ];
  });
}

/** The rungs of the settings, the unbiased one first; by default one prepend more each. */
export function ladderOf({ steering, links, providerCommunities }: Settings): Ladder {
  if (!steering.ladder) return defaultLadder.slice(0, steering.rungs + 1);
  const rungs = steering.ladder.map((rung): RungAction => {
    if (rung === 'med' || rung === 'more_specifics') return { kind: rung };
    if ('prepend' in rung) return { kind: 'prepend', times: rung.prepend };
    const byLink = new Map(
      links.flatMap(({ asn: provider }, i) => {
        const offered = providerCommunities.filter((entry) => entry.asn === provider);
        const asked = offered.flatMap(({ actions }) => actions[rung.provider] ?? []);
        return asked.length === 0 ? [] : [[i + 1, actionOf(asked)] as const];
      }),
    );
    return { kind: 'provider_communities', name: rung.provider, byLink };
  });
  return [{ kind: 'unbiased' }, ...rungs];
}

const actionOf = (
  asked: ReadonlyArray<readonly [number, number] | readonly [number, number, number]>,
): ProviderAction => ({
  communities: asked.filter((value) => value.length === 2),
  largeCommunities: asked.filter((value) => value.length === 3),
});

export function policyOf(settings: Settings): Policy {
  const { links, groups, timeScale } = settings;
  const ladder = ladderOf(settings);
  return {
    links: links.map((link) => ({
      link: link.name,
      capacity: link.capacity,
      ...defined({ port: link.port, pricePerMbps: marginalPrice(link.price) }),
    })),
    groups: groupNames(settings).map((name) => {
      const group = groups.find((entry) => entry.name === name);
      return {
        group: name,
        blocks: settings.blocks
          .filter((block) => block.group === name)
          .map((block) => block.prefix),
        ...defined({ objective: group?.objective, best: group?.best, links: group?.links }),
      };
    }),
    objective: settings.objective ?? defaultWeights,
    rails: railsOf(settings.rails, timeScale),
    rungs: ladder.length - 1,
    rungNames: ladder.map(describeRung),
    moveCost: 0.05,
    pins: settings.pins,
    maintenance: settings.maintenance,
  };
}

function groupNames({ groups, blocks }: Settings): readonly string[] {
  const named = blocks.flatMap((block) => (block.group === undefined ? [] : [block.group]));
  return [...new Set([...groups.map((group) => group.name), ...named])];
}

function railsOf(rails: RailsSettings, timeScale: number): RailsPolicy {
  const { dwell, settle, maxAge, hold, ...plain } = rails;
  return {
    ...defaultRails(timeScale),
    ...plain,
    ...defined({ dwellMs: dwell, settleMs: settle, maxAgeMs: maxAge, holdMs: hold }),
  };
}

/** Per Mb/s and month in currency units: what the next bit costs; a flat link's costs nothing. */
function marginalPrice(price: Settings['links'][number]['price']): number | undefined {
  switch (price?.model) {
    case 'percentile':
      return (price.overagePerMbps ?? price.perMbps) / 1e6;
    case 'tiered':
      return (price.tiers.at(-1)?.perMbps ?? 0) / 1e6;
    case 'volume':
      // One Mb/s for a month of 30 days is 324 GB.
      return (price.perGb / 1e6) * 324;
    case 'flat':
    case undefined:
      return undefined;
  }
}

/** The BGP identifier: as set, else an IPv4 address of ours. */
export function routerIdOf(
  { management }: Settings,
  addressesOf: (port: string) => readonly string[],
): string | undefined {
  const own = management.interface === undefined ? [] : addressesOf(management.interface);
  return [management.routerId, management.address, ...own].find(
    (address) => address !== undefined && !address.includes(':'),
  );
}

export const localAsnOf = (settings: Settings) => asn(settings.asn);

function sameFamily(own: string | undefined, other: string): string | undefined {
  return own !== undefined && own.includes(':') === other.includes(':') ? own : undefined;
}

const inSeconds = (value: number | undefined) => (value === undefined ? undefined : value / 1000);

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the keys whose value is undefined: an optional key is there or it is not. */
function defined<T extends object>(values: T): Defined<T> {
  // A cast: the filter is what makes it true.
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}
