/** What is measured out of line: routers' counters, flow exports, probes. Each may be absent. */
import {
  createFlowCollector,
  type FlowCollector,
  type FlowSamples,
  flowOptionsOf,
} from '../../collect/flow/index.ts';
import { createSnmpPoller, polledRoutersOf, type SnmpPoller } from '../../collect/snmp/index.ts';
import { makePrefix, prefixOf } from '../../core/base/prefix.ts';
import { type LinkId, ms, type PrefixText } from '../../core/base/units.ts';
import type { Settings } from '../../core/settings/index.ts';
import type { NetworkCount } from '../../engine/index.ts';
import {
  type ArrivalWitness,
  createProber,
  type Prober,
  type ProbeSamples,
  proberOptionsOf,
} from '../../probe/index.ts';
import type { Clock } from '../clock.ts';
import { cycleTimesOf } from '../configure.ts';
import type { Log } from '../log.ts';
import type { PathTimes } from '../outbound/destinations.ts';
import { type Learned, LearnedRoutes } from '../routes/learned-routes.ts';
import { ExportedArrivals } from './exported-arrivals.ts';
import { busiestNetworks } from './foreign.ts';
import { meanHops, type Proximity } from './proximity.ts';
import { RateWindow } from './rate-window.ts';
import type { FlowStretch, LinkSamples } from './samples.ts';

/** The collectors as the cycle sees them. */
export interface Sources {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Takes in what flow exports brought since the last call. */
  drain(): Promise<void>;
  links(): ReadonlyMap<LinkId, LinkSamples>;
  /** What routers last said of a link's interface; undefined where nobody asks. */
  isUp(link: LinkId): boolean | undefined;
  /** Flow exports over the averaging time; undefined without exports. */
  flows(): FlowStretch | undefined;
  /** What probes said when `links` was last called; undefined without probes. */
  probes(): ProbeSamples | undefined;
  /** What the sources complain of, by key. */
  /** Round-trip times by network and link, of the probes of the last cycle. */
  times(): ReadonlyMap<PrefixText, PathTimes>;
  complaints(): ReadonlyMap<string, string>;
  /** What was not measured, since the start. */
  lost(): readonly SourceLoss[];
}

export interface SourceLoss {
  readonly source: 'snmp' | 'flows' | 'probe';
  readonly reason: string;
  readonly count: number;
}

/** What other components know and the sources need. */
export interface Known {
  /** What the routers tell by BGP, which destinations are then cut by. */
  readonly routes?: Learned | undefined;
  /** Packets that the wires saw come in for an address, by link. */
  readonly witness?: ArrivalWitness | undefined;
  readonly proximity?: Proximity | undefined;
  /** Foreign networks that the wires saw sessions with. */
  readonly networks?: (() => readonly NetworkCount[]) | undefined;
}

/** Opens nothing before `start`. */
export function makeSources(
  settings: Settings,
  averageMs: number,
  clock: Clock,
  log: Log,
  { routes, witness, proximity, networks }: Known = {},
): Sources | undefined {
  const polled = polledRoutersOf(settings);
  const snmp = polled.length > 0 ? createSnmpPoller({ routers: polled }) : undefined;
  const flowOptions = flowOptionsOf(settings);
  const collector = flowOptions && createFlowCollector(flowOptions);
  const proberOptions = proberOptionsOf(settings);
  const nowMs = 2 * cycleTimesOf(settings).intervalMs;
  const exported = flowOptions && new ExportedArrivals();
  const watching = witness ?? exported?.witness;
  const prober =
    proberOptions &&
    createProber({ ...proberOptions, nowMs, ...(watching ? { witness: watching } : {}) });
  if (!snmp && !collector && !prober) return undefined;
  return new OutOfLine(settings, averageMs, clock, log, {
    snmp,
    collector,
    prober,
    routes,
    exported,
    proximity,
    networks,
  });
}

interface Collectors {
  readonly snmp: SnmpPoller | undefined;
  readonly collector: FlowCollector | undefined;
  readonly prober: Prober | undefined;
  readonly routes: Learned | undefined;
  readonly exported: ExportedArrivals | undefined;
  readonly proximity: Proximity | undefined;
  readonly networks: Known['networks'];
}

class OutOfLine implements Sources {
  readonly #settings: Settings;
  readonly #averageMs: number;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #collectors: Collectors;
  /** The latest drains, oldest first, as many as the averaging time holds. */
  #drains: readonly FlowSamples[] = [];
  #drainedMs = 0;
  readonly #rates = new Map<LinkId, RateWindow>();
  #hops: ReturnType<typeof meanHops> = new Map();
  /** Of the last cycle: each look takes the changes with it. */
  #probes: ProbeSamples | undefined;

  constructor(
    settings: Settings,
    averageMs: number,
    clock: Clock,
    log: Log,
    collectors: Collectors,
  ) {
    this.#settings = settings;
    this.#averageMs = averageMs;
    this.#clock = clock;
    this.#log = log;
    this.#collectors = collectors;
  }

  async start(): Promise<void> {
    const { snmp, collector, prober } = this.#collectors;
    snmp?.start();
    this.#learn();
    await collector?.start();
    // Not waited for: the check of each link's source takes as long as its slowest answer.
    prober?.start().then(
      (checks) => {
        for (const { link, state } of checks) {
          this.#log.info({ link, state }, `probes: the source of ${link} is ${state}`);
        }
      },
      (error: unknown) => this.#log.error({ err: error }, 'probes could not be started'),
    );
  }

  async stop(): Promise<void> {
    const { snmp, collector, prober } = this.#collectors;
    await Promise.all([snmp?.stop(), collector?.stop(), prober?.stop()]);
  }

  async drain(): Promise<void> {
    const { snmp, collector, prober, proximity } = this.#collectors;
    if (!collector) return this.#lookAtWires();
    for (const { router, address } of this.#settings.flows?.exporters ?? []) {
      const interfaces = router && snmp?.interfaces(router);
      if (interfaces && interfaces.size > 0) collector.setInterfaces(address, interfaces);
    }
    const samples = await collector.samples();
    this.#collectors.exported?.add(samples.arrivals);
    // Right after: no record came between, so that none is lost with the old table.
    this.#learn();
    this.#drainedMs = this.#clock.now();
    const from = samples.at - this.#averageMs;
    // A drain counts while its middle lies in the averaging time.
    this.#drains = [...this.#drains, samples].filter((d) => d.at - d.intervalMs / 2 >= from);
    prober?.setFound(this.#found(samples));
    if (proximity) this.#hops = meanHops(proximity, foreignVolumes(samples));
  }

  /** Where no router exports, the wires say whom traffic is with. */
  #lookAtWires(): void {
    const { prober, proximity, networks } = this.#collectors;
    const seen = networks?.() ?? [];
    prober?.setFound(busiestNetworks(seen, this.#settings.probe?.found ?? 0));
    if (!proximity || seen.length === 0) return;
    this.#drainedMs = this.#clock.now();
    this.#hops = meanHops(
      proximity,
      seen.map(({ prefix, sessions }) => ({ prefix, weight: sessions })),
    );
  }

  isUp(link: LinkId): boolean | undefined {
    return this.#collectors.snmp?.samples().links.find((polled) => polled.link === link)?.isUp;
  }

  links(): ReadonlyMap<LinkId, LinkSamples> {
    const { snmp, prober } = this.#collectors;
    const found = new Map<LinkId, LinkSamples>();
    const polled = snmp?.samples();
    for (const counters of polled?.links ?? []) {
      const { link, isUp, capacity, inbound, outbound, elapsedMs } = counters;
      const window = this.#rates.get(link) ?? new RateWindow();
      this.#rates.set(link, window);
      window.add(
        {
          at: (polled?.at ?? 0) - inbound.ageMs,
          elapsedMs,
          inbound: inbound.value,
          outbound: outbound.value,
        },
        this.#averageMs,
      );
      const mean = window.mean();
      found.set(link, {
        isUp,
        inbound: { ...inbound, value: mean.inbound },
        outbound: { ...outbound, value: mean.outbound },
        inboundDiscardRatio: counters.inboundDiscardRatio,
        outboundDiscardRatio: counters.outboundDiscardRatio,
        // A router that does not know its capacity says 0.
        ...(capacity > 0 ? { capacity } : {}),
      });
    }
    this.#probes = prober?.samples();
    for (const { link, target, at: _, ...change } of this.#probes?.changes ?? []) {
      this.#log.info(
        { link, target, ...change },
        `probes: the path to ${target} over ${link} changed`,
      );
    }
    for (const { link, lossRatio, sent, lossNow, rttUs, delayGrowthUs } of this.#probes?.links ??
      []) {
      found.set(link, {
        ...found.get(link),
        lossRatio,
        lossSent: sent,
        lossNow,
        ...(rttUs ? { rttUs } : {}),
        ...(delayGrowthUs ? { delayGrowthUs } : {}),
      });
    }
    for (const [link, { hops, coverage }] of this.#hops) {
      const ageMs = ms(this.#clock.now() - this.#drainedMs);
      found.set(link, {
        ...found.get(link),
        asHops: { value: hops, ageMs, coverage, source: 'bgp' },
      });
    }
    return found;
  }

  flows(): FlowStretch | undefined {
    if (!this.#collectors.collector) return undefined;
    const { links, blocks, errorRatio } = sumDrains(this.#drains);
    const exporter = this.#drains.at(-1)?.exporters[0];
    return {
      links,
      blocks,
      errorRatio,
      destinations: sumDestinations(this.#drains),
      elapsedMs: this.#drains.reduce((sum, drain) => sum + drain.intervalMs, 0),
      ageMs: this.#clock.now() - this.#drainedMs,
      coverage: Math.min(1, ...this.#drains.map((drain) => drain.coverage)),
      source: exporter?.source ?? 'ipfix',
    };
  }

  probes(): ProbeSamples | undefined {
    return this.#probes;
  }

  times(): ReadonlyMap<PrefixText, PathTimes> {
    const found = new Map<PrefixText, Record<string, PathTimes[string]>>();
    for (const { prefix, link, summary } of this.#probes?.destinations ?? []) {
      if (summary.rttUs === undefined) continue;
      const known = found.get(prefix) ?? {};
      known[link] = { us: summary.rttUs, samples: summary.sent - summary.lost };
      found.set(prefix, known);
    }
    return found;
  }

  complaints(): ReadonlyMap<string, string> {
    const found = new Map<string, string>();
    for (const { router, ageMs } of this.#collectors.snmp?.samples().routers ?? []) {
      const settings = this.#settings.routers.find((entry) => entry.name === router)?.snmp;
      const isSilent = ageMs === undefined || ageMs > 3 * (settings?.interval ?? 30_000);
      if (isSilent) found.set(`snmp ${router}`, `router ${router}: no answer by SNMP`);
    }
    const before = new Map(this.#drains.at(-2)?.exporters.map((entry) => [entry.address, entry]));
    for (const { address, ageMs, refused } of this.#drains.at(-1)?.exporters ?? []) {
      const isSilent = ageMs === undefined || ageMs > this.#averageMs;
      if (isSilent) found.set(`flows ${address}`, `exporter ${address}: no flow records`);
      const were: Readonly<Record<string, number>> = before.get(address)?.refused ?? refused;
      const why = Object.entries(refused).filter(([code, count]) => count > (were[code] ?? 0));
      if (why.length > 0) {
        const codes = why.map(([code]) => code).join(', ');
        found.set(`garbage ${address}`, `exporter ${address}: sends what cannot be read: ${codes}`);
      }
    }
    for (const check of this.#probes?.checks ?? []) {
      const { link, source, state, by } = check;
      if (state === 'wrong_link') {
        const what = `answers come in by ${by ?? 'another link'}; ${link} is not probed with it`;
        found.set(`probe ${source}`, `probes: source ${source} of ${link}: ${what}`);
      } else if (state === 'no_answer') {
        const what = `nobody answers; ${link} is not probed with it`;
        found.set(`probe ${source}`, `probes: source ${source} of ${link}: ${what}`);
      }
    }
    return found;
  }

  lost(): readonly SourceLoss[] {
    const { snmp } = this.#collectors;
    const last = this.#drains.at(-1);
    const polls = (snmp?.samples().routers ?? []).map((router) => router.failures);
    const refused = (last?.exporters ?? []).map((exporter) => exporter.refused);
    return [
      ...losses('snmp', polls),
      ...losses('flows', [
        ...refused,
        ...(last ? [last.skipped, { socket_full: last.socketDrops }] : []),
      ]),
      ...losses('probe', this.#probes ? [this.#probes.skipped] : []),
    ];
  }

  #learn(): void {
    const { collector, routes } = this.#collectors;
    if (routes) collector?.setRoutes(new LearnedRoutes(routes));
  }

  /** The busiest foreign networks, for the prober. */
  #found({ foreign }: FlowSamples) {
    const most = this.#settings.probe?.found ?? 0;
    const bytes = new Map<string, { readonly entry: (typeof foreign)[number]; total: number }>();
    for (const entry of foreign) {
      const known = bytes.get(entry.prefix);
      if (known) known.total += entry.l2Bytes;
      else bytes.set(entry.prefix, { entry, total: entry.l2Bytes });
    }
    return [...bytes.values()]
      .sort((a, b) => b.total - a.total)
      .slice(0, most)
      .map(({ entry }) => ({
        prefix: prefixOf(entry.prefix),
        hosts: entry.hosts.map((bytes) =>
          makePrefix(bytes.length === 4 ? 4 : 6, bytes, bytes.length * 8),
        ),
      }));
  }
}

/** Layer-2 bytes with each foreign network, all links and both directions together. */
function foreignVolumes({ foreign }: FlowSamples) {
  const weights = new Map<PrefixText, number>();
  for (const { prefix, l2Bytes } of foreign) {
    weights.set(prefix, (weights.get(prefix) ?? 0) + l2Bytes);
  }
  return [...weights].map(([prefix, weight]) => ({ prefix, weight }));
}

/** Counts by reason, several tables added up. */
function losses(
  source: SourceLoss['source'],
  tables: ReadonlyArray<Readonly<Partial<Record<string, number>>>>,
): readonly SourceLoss[] {
  const sums = new Map<string, number>();
  for (const table of tables) {
    for (const [reason, count] of Object.entries(table)) {
      sums.set(reason, (sums.get(reason) ?? 0) + (count ?? 0));
    }
  }
  return [...sums].map(([reason, count]) => ({ source, reason, count }));
}

/** Outbound layer-2 bytes by foreign prefix over several drains. */
function sumDestinations(
  drains: ReadonlyArray<Pick<FlowSamples, 'foreign'>>,
): ReadonlyMap<PrefixText, number> {
  const sums = new Map<PrefixText, number>();
  for (const { foreign } of drains) {
    for (const { prefix, direction, l2Bytes } of foreign) {
      if (direction === 'outbound') sums.set(prefix, (sums.get(prefix) ?? 0) + l2Bytes);
    }
  }
  return sums;
}

/** Layer-2 bytes by link and by block over several drains. */
export function sumDrains(
  drains: ReadonlyArray<Pick<FlowSamples, 'links' | 'blocks'>>,
): Pick<FlowStretch, 'links' | 'blocks' | 'errorRatio'> {
  const links = new Map<LinkId, { inbound: number; outbound: number }>();
  const blocks = new Map<string, Mutable<FlowStretch['blocks'][number]>>();
  let errorRatio = 0;
  for (const drain of drains) {
    for (const { link, direction, l2Bytes, errorRatio: ratio } of drain.links) {
      errorRatio = Math.max(errorRatio, ratio);
      const sum = links.get(link) ?? { inbound: 0, outbound: 0 };
      sum[direction] += l2Bytes;
      links.set(link, sum);
    }
    for (const { block, link, direction, l2Bytes } of drain.blocks) {
      const key = `${block} ${link} ${direction}`;
      const sum = blocks.get(key) ?? { block, link, direction, bytes: 0 };
      sum.bytes += l2Bytes;
      blocks.set(key, sum);
    }
  }
  return { links, blocks: [...blocks.values()], errorRatio };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
