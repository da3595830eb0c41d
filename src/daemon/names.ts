/** Inbound by name in the unit: the name server, probes towards its resolvers, and the decision between them. */
import type { Answer, ControlError, ResolverView } from '../control/index.ts';
import { type Address, covers, parseAddress, parsePrefix, prefixOf } from '../core/base/prefix.ts';
import { err, ok } from '../core/base/result.ts';
import { bitps, type LinkId, ms, type PrefixText } from '../core/base/units.ts';
import {
  defaultResolverPolicy,
  type LinkShare,
  type ProviderSample,
  type ResolverPolicy,
} from '../core/decide/resolvers.ts';
import type { Observation } from '../core/model/observation.ts';
import type { Settings } from '../core/settings/index.ts';
import { probe as probeSettings } from '../core/settings/probe.ts';
import { formatName } from '../core/wire/dns/name.ts';
import { openDnsSockets } from '../engine/dns.ts';
import type { NetworkCount } from '../engine/index.ts';
import {
  createProber,
  type DestinationProbe,
  type Prober,
  type ProberOptions,
} from '../probe/index.ts';
import { ResolverCycle, type ResolverMeasurements, type ResolverNetwork } from '../steer/cycle.ts';
import { type Steer, type SteerSnapshot, startSteer } from '../steer/index.ts';
import { readZones } from '../steer/zones.ts';
import { policyOf } from './configure.ts';
import { clientsByResolver, type PassiveRtt, passiveRtts } from './measure/foreign.ts';
import {
  isReturning,
  type ProviderAddresses,
  ProviderWatch,
  type SeenRoutes,
} from './measure/providers.ts';
import type { Proximity } from './measure/proximity.ts';

type DnsSettings = NonNullable<Settings['dns']>;
type ResolverProber = Pick<Prober, 'setFound' | 'samples' | 'stop'>;

/** Probes of a path that are older say nothing of it, where they are sent more often than every 15 s. */
const probeAgeMsMin = 60_000;
/** Networks that are probed by every provider. */
const networksMax = 500;

export interface NameServiceParts {
  readonly steer: Steer;
  readonly prober: ResolverProber;
  readonly settings: Settings;
  readonly routes?: SeenRoutes | undefined;
  readonly proximity?: Proximity | undefined;
  /** Foreign networks that the wires saw sessions with. */
  readonly networks?: (() => readonly NetworkCount[]) | undefined;
}

/** How inbound by name fares. */
export interface NameState {
  /** Queries by outcome, and losses by reason. */
  readonly counts: Readonly<Record<string, number>>;
  readonly resolvers: number;
  readonly addresses: SteerSnapshot['addresses'];
  readonly providers: ReadonlyArray<{
    readonly link: LinkId;
    /** Why no answer points to it. */
    readonly outReason: string | undefined;
    /** Of the recent queries, those whose resolvers the plan sends there. */
    readonly share: number;
  }>;
}

export class NameService {
  readonly #steer: Steer;
  readonly #prober: ResolverProber;
  readonly #cycle: ResolverCycle;
  readonly #settings: Settings;
  readonly #dns: DnsSettings;
  readonly #watch: ProviderWatch;
  readonly #proximity: Proximity | undefined;
  readonly #networks: NonNullable<NameServiceParts['networks']>;
  #links: Observation['links'] = [];
  #outs: ReadonlyMap<LinkId, string> = new Map();
  /** Networks of the last round: of those that are new nobody knows yet whether they answer. */
  #known: ReadonlySet<PrefixText> = new Set();

  constructor(parts: NameServiceParts, dns: DnsSettings) {
    const { steer, prober, settings, routes, proximity, networks = () => [] } = parts;
    this.#networks = networks;
    this.#steer = steer;
    this.#prober = prober;
    this.#settings = settings;
    this.#dns = dns;
    this.#proximity = proximity;
    this.#watch = new ProviderWatch(providersOf(dns), routes);
    this.#cycle = new ResolverCycle(steer, resolverPolicyOf(settings, dns), dns.granularity);
  }

  /** One round, after the unit's own: what was probed since the last becomes what is answered. */
  turn(observation: Observation, mode: Settings['mode']): void {
    const networks = this.#cycle.networks().slice(0, networksMax);
    this.#prober.setFound(
      networks.flatMap(({ network, address }) => {
        const prefix = parsePrefix(network);
        const host = parseAddress(address);
        return prefix.ok && host.ok
          ? [{ prefix: prefix.value, hosts: [host.value], isResolver: true }]
          : [];
      }),
    );
    this.#links = observation.links;
    const probes = this.look();
    const measured = measurementsOf(observation, this.#settings, this.#dns, {
      probes,
      outs: this.#outs,
      hops: this.#hopsTo(networks.map(({ network }) => network)),
      passive: this.#passiveOf(networks),
    });
    this.#known = new Set(networks.map(({ network }) => network));
    this.#cycle.turn(measured, mode === 'control');
  }

  /** Takes failed providers out of all answers, and others in again; between the rounds too. */
  look(): readonly DestinationProbe[] {
    const { destinations } = this.#prober.samples();
    const ageMsMax = Math.max(probeAgeMsMin, 4 * this.lookMs);
    const fresh = destinations.filter(({ ageMs }) => ageMs <= ageMsMax);
    const outs = this.#watch.outs(this.#links, fresh);
    for (const { link } of providersOf(this.#dns)) {
      if (outs.get(link) !== this.#outs.get(link)) this.#steer.withdraw(link, outs.get(link));
    }
    this.#outs = outs;
    return fresh;
  }

  #hopsTo(networks: readonly PrefixText[]): ResolverPaths['hops'] {
    const proximity = this.#proximity;
    if (!proximity) return new Map();
    const known = networks.filter((network) => this.#known.has(network));
    return new Map(known.map((network) => [network, proximity.hops(network)]));
  }

  /** Round trips of the sessions that follow each network's resolvers. */
  #passiveOf(networks: readonly ResolverNetwork[]): NonNullable<ResolverPaths['passive']> {
    const clients = clientsByResolver(this.#networks());
    return new Map(
      networks.map(({ network, addresses }) => [
        network,
        passiveRtts(addresses.flatMap((address) => clients.get(address) ?? [])),
      ]),
    );
  }

  /** By resolver, the networks whose clients connect after it asked. */
  clients(): ReadonlyMap<string, readonly NetworkCount[]> {
    return clientsByResolver(this.#networks());
  }

  /** How often it is to look between the rounds, milliseconds. */
  get lookMs(): number {
    return (this.#settings.probe ?? probeSettings.parse({})).interval;
  }

  /** Who asks, health of the addresses, counters. */
  snapshot(): SteerSnapshot {
    return this.#steer.snapshot();
  }

  state(): NameState {
    const { counts, resolvers, addresses } = this.#steer.snapshot();
    const providers = providersOf(this.#dns).map(({ link }) => ({
      link,
      outReason: this.#outs.get(link),
      share: this.#cycle.shareOf(link),
    }));
    return { counts, resolvers: resolvers.length, addresses, providers };
  }

  /** Where a resolver's clients are sent; undefined where it has no plan of its own. */
  planOf(address: string): readonly LinkShare[] | undefined {
    return this.#cycle.entryOf(address)?.shares;
  }

  /** Why a resolver is answered as it is; undefined where `address` is none. */
  explain(address: string): string | undefined {
    return this.#cycle.explain(address);
  }

  async close(): Promise<void> {
    await this.#prober.stop();
    await this.#steer.close();
  }
}

/** The commands of inbound by name; `resolvers` takes the place of what the wires saw. */
export function nameAnswers(names: NameService | undefined): ReadonlyMap<string, Answer> {
  if (!names) {
    const message = 'no names are steered: there is no dns in the settings';
    return new Map([['explain_resolver', () => err<ControlError>({ code: 'refused', message })]]);
  }
  return new Map<string, Answer>([
    [
      'resolvers',
      () => {
        const { resolvers } = names.snapshot();
        const clientsOf = names.clients();
        return ok(
          resolvers.map(({ address, queries, share }): ResolverView => {
            const plan = names.planOf(address);
            const clients = (clientsOf.get(address) ?? []).map(({ prefix }) => prefix);
            return {
              address,
              queries,
              share,
              ...(plan ? { plan } : {}),
              ...(clients.length > 0 ? { clients } : {}),
            };
          }),
        );
      },
    ],
    [
      'explain_resolver',
      ({ address }) => {
        const text = typeof address === 'string' ? names.explain(address) : undefined;
        return text === undefined
          ? err<ControlError>({
              code: 'bad_argument',
              message: 'expected the address of a resolver',
            })
          : ok({ address, text });
      },
    ],
  ]);
}

/** What the names of the settings lead to, in sentences. Throws HeadgateError `bad_zone` where a zone file is wrong. */
export function describeNames({ dns }: Settings): readonly string[] {
  if (dns === undefined) return [];
  const zones = [...readZones(dns, 1).values()];
  return [
    `names: answered at ${dns.listen.join(', ')}, port ${dns.port}`,
    ...zones.map(({ apex, nodes }) => `zone ${formatName(apex)}: ${nodes.size} names`),
    ...dns.names.map(({ name, ttl, addresses }) => {
      const by = addresses.map(({ link, address }) => `${address} by ${link}`);
      return `${name} steered: ${by.join(', ')}; kept for ${ttl / 1000} s`;
    }),
  ];
}

/** Probes towards resolvers leave as those of the links do: their source, their mark. */
export function resolverProbesOf({ links, probe }: Settings): Omit<ProberOptions, 'targets'> {
  const { interval, timeout, budget, never, prohibitedFor, significance } =
    probe ?? probeSettings.parse({});
  return {
    links: links.flatMap(({ name, source = [], mark }) =>
      source.length === 0
        ? []
        : [
            {
              link: name,
              sources: source.flatMap((text) => {
                const parsed = parseAddress(text);
                return parsed.ok ? [parsed.value] : [];
              }),
              dscp: mark && 'dscp' in mark ? mark.dscp : 0,
            },
          ],
    ),
    intervalMs: interval,
    timeoutMs: timeout,
    budget: {
      perLink: budget.perLink,
      perNetwork: budget.perNetwork,
      prohibitedForMs: prohibitedFor,
    },
    never: never.map(prefixOf),
    significance,
  };
}

/**
 * Starts it as settings say; undefined without `dns:`. Throws HeadgateError `bad_zone`, `listen_failed` or
 * `native_missing`.
 */
export async function openNameService(
  settings: Settings,
  proberOptions: Omit<ProberOptions, 'targets'>,
  serial: number,
  known: Pick<NameServiceParts, 'routes' | 'proximity' | 'networks'> = {},
): Promise<NameService | undefined> {
  const { dns } = settings;
  if (dns === undefined) return undefined;
  const steer = await startSteer({
    settings: dns,
    serial,
    // Until the first round all providers alike.
    weights: { default: {}, networks: [] },
    openNativeUdp: openDnsSockets,
  });
  try {
    // Resolvers that do not answer ICMP have neighbours that do: the prober tries them.
    const prober = createProber({ ...proberOptions, targets: [] });
    await prober.start();
    return new NameService({ steer, prober, settings, ...known }, dns);
  } catch (error) {
    await steer.close();
    throw error;
  }
}

/**
 * The objective of the blocks, with a dwell of three TTLs: sooner, a change cannot be judged. Where response
 * time has no weight there, it has the resolvers' own: without it the nearest provider would be chance.
 */
export function resolverPolicyOf(settings: Settings, dns: DnsSettings): ResolverPolicy {
  const { objective, rails } = policyOf(settings);
  const ttl = Math.max(...dns.names.map((name) => name.ttl));
  return {
    ...defaultResolverPolicy,
    objective: {
      response: objective.response || defaultResolverPolicy.objective.response,
      congestion: objective.congestion,
      price: objective.price,
    },
    headroom: rails.headroom,
    sharePerRound: rails.sharePerRound,
    dwellMs: ms((3 * ttl) / settings.timeScale),
  };
}

/** What one round knows of the ways to the resolvers. */
export interface ResolverPaths {
  readonly probes: readonly DestinationProbe[];
  readonly outs: ReadonlyMap<LinkId, string>;
  /** Autonomous systems between each provider and a network. */
  readonly hops: ReadonlyMap<PrefixText, ReadonlyMap<LinkId, number>>;
  /** Round trips of sessions that followed the network's questions. */
  readonly passive?: ReadonlyMap<PrefixText, ReadonlyMap<LinkId, PassiveRtt>>;
}

function providersOf(dns: DnsSettings): readonly ProviderAddresses[] {
  const byLink = new Map<LinkId, Address[]>();
  for (const { link, address } of dns.names.flatMap(({ addresses }) => addresses)) {
    const parsed = parseAddress(address);
    if (parsed.ok) byLink.set(link, [...(byLink.get(link) ?? []), parsed.value]);
  }
  return [...byLink].map(([link, addresses]) => ({ link, addresses }));
}

/** Joins loads, prices and probes. What comes in to the steered addresses' blocks is what answers steer. */
export function measurementsOf(
  observation: Observation,
  settings: Settings,
  dns: DnsSettings,
  { probes, outs, hops, passive }: ResolverPaths,
): ResolverMeasurements {
  const addresses = dns.names.flatMap((name) => name.addresses.map(({ address }) => address));
  const hosts = addresses.flatMap((text) => {
    const parsed = parseAddress(text);
    return parsed.ok ? [parsed.value] : [];
  });
  const steered = observation.blocks.filter(({ block }) => holdsAny(block, hosts));
  const rateBy = (link: LinkId) =>
    steered
      .flatMap(({ inbound }) => inbound)
      .reduce((sum, entry) => sum + (entry.link === link ? entry.rate : 0), 0);
  const named = new Set(dns.names.flatMap((name) => name.addresses.map(({ link }) => link)));
  const prices = new Map(policyOf(settings).links.map((link) => [link.link, link.pricePerMbps]));
  const providers = observation.links.flatMap((seen): ProviderSample[] => {
    if (!named.has(seen.link)) return [];
    const outReason = outs.get(seen.link);
    const price = prices.get(seen.link);
    return [
      {
        link: seen.link,
        capacity: seen.capacity,
        otherLoad: bitps(Math.max(0, (seen.inbound?.value ?? 0) - rateBy(seen.link))),
        ...(outReason === undefined ? {} : { outReason }),
        ...(price === undefined ? {} : { pricePerMbps: price }),
      },
    ];
  });
  const steeredRate = providers.reduce((sum, { link }) => sum + rateBy(link), 0);
  const probed = new Set(probes.map(({ prefix, link }) => `${prefix} ${link}`));
  const silent = [...hops].flatMap(([network, byLink]) =>
    [...byLink]
      .filter(([link]) => !probed.has(`${network} ${link}`))
      .map(([link, asHops]) => ({ network, link, isReturning: false, asHops })),
  );
  const measured = probes.map((probe) => {
    const { prefix: network, link, summary, latest } = probe;
    const asHops = hops.get(network)?.get(link);
    const sessions = passive?.get(network)?.get(link);
    return {
      network,
      link,
      isReturning: isReturning(probe),
      ...(asHops === undefined ? {} : { asHops }),
      ...(sessions === undefined ? {} : { passive: sessions }),
      // Time by the newest alone: a path that changed must not wait until the window forgets what was.
      ...(latest.rttUs === undefined
        ? {}
        : { probe: { rttUs: latest.rttUs, lossRatio: summary.lossRatio } }),
    };
  });
  return {
    at: observation.at,
    providers,
    steeredRate: bitps(steeredRate),
    paths: [...measured, ...silent],
  };
}

function holdsAny(block: string, hosts: readonly Address[]): boolean {
  const prefix = parsePrefix(block);
  return prefix.ok && hosts.some((host) => covers(prefix.value, host));
}
