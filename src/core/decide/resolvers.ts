import type { Bitps, LinkId, Ms, PrefixText } from '../base/units.ts';
import { assignTransport } from './transport.ts';

/** What is known of the way from a resolver's clients to us by one provider. */
export interface PathSample {
  readonly link: LinkId;
  /** Of sessions that came in by it: median round-trip time and how many there were. */
  readonly passive?: { readonly rttUs: number; readonly samples: number };
  /** Of probes that left with this provider's address, so that their answers returned by it. */
  readonly probe?: { readonly rttUs: number; readonly lossRatio: number };
  /** A probe with this provider's address was answered lately. False takes the provider out for this network. */
  readonly isReturning: boolean;
  /** Autonomous systems on the way: what is left where nobody in the network answers any probe. */
  readonly asHops?: number;
}

export interface ResolverSample {
  /** The resolver's network, or a wider one (an AS's prefix) that stands for resolvers not known singly. */
  readonly network: PrefixText;
  /** Inbound rate that follows its answers. */
  readonly rate: Bitps;
  readonly paths: readonly PathSample[];
}

export interface ProviderSample {
  readonly link: LinkId;
  readonly capacity: Bitps;
  /** Inbound rate that no answer of ours steers. */
  readonly otherLoad: Bitps;
  /** Why no answer is to point to it; absent where its prefix is announced and probes with its address return. */
  readonly outReason?: string;
  /** Price of the next Mb/s; absent counts as 0. */
  readonly pricePerMbps?: number;
}

/** All that is seen of resolvers in one interval. Plain JSON. */
export interface ResolverObservation {
  readonly at: Ms;
  readonly providers: readonly ProviderSample[];
  readonly resolvers: readonly ResolverSample[];
}

export interface ResolverPolicy {
  /** Weights of the objective's terms; only their ratios matter. */
  readonly objective: {
    readonly response: number;
    readonly congestion: number;
    readonly price: number;
  };
  /** A provider is never planned above this share of its capacity, 0 to 1. */
  readonly headroom: number;
  /** Least time between two changes of one network: three TTLs, or a change cannot be judged. */
  readonly dwellMs: Ms;
  /** Share of all steered traffic that may change its provider in one round; at least one network may. */
  readonly sharePerRound: number;
  /** A change must gain this share of the path's cost, or it is noise. */
  readonly margin: number;
  /** Networks with less than this share of the traffic are left to the default. */
  readonly minShare: number;
}

export const defaultResolverPolicy: ResolverPolicy = {
  objective: { response: 2, congestion: 4, price: 1 },
  headroom: 0.9,
  // The brand's one place: a constant.
  dwellMs: 90_000 as Ms,
  sharePerRound: 0.3,
  margin: 0.15,
  minShare: 0.0005,
};

export interface LinkShare {
  readonly link: LinkId;
  /** 0 to 1; the shares of a network sum to 1. */
  readonly share: number;
}

/** One provider as it was weighed for one network. */
export interface Candidate {
  readonly link: LinkId;
  /** Per unit of traffic; absent where the provider is out. */
  readonly cost?: number;
  readonly text: string;
}

export interface ResolverEntry {
  readonly network: PrefixText;
  readonly shares: readonly LinkShare[];
  /** Time of the last change. */
  readonly since: Ms;
  readonly reason: string;
  /** Best first. */
  readonly candidates: readonly Candidate[];
}

/** Network to providers. Plain JSON; also the state of the next decision. */
export interface ResolverPlan {
  readonly at: Ms;
  /** For networks that have no entry. */
  readonly default: readonly LinkShare[];
  readonly entries: readonly ResolverEntry[];
  /** Why all is as it was, where measurements could not be used. */
  readonly frozen?: string;
}

/** The next plan. Pure: any order of the input gives the same plan. `before` is undefined the first time. */
export function decideResolvers(
  seen: ResolverObservation,
  policy: ResolverPolicy,
  before?: ResolverPlan,
): ResolverPlan {
  const providers = [...seen.providers].sort(byLink);
  const open = providers.filter(({ outReason }) => outReason === undefined);
  if (open.length === 0) {
    const frozen = 'no provider is usable';
    return { ...(before ?? { default: [], entries: [] }), at: seen.at, frozen };
  }
  const total = sum(seen.resolvers.map(({ rate }) => rate));
  const old = new Map((before?.entries ?? []).map((entry) => [entry.network, entry]));
  const resolvers = [...seen.resolvers]
    .sort((a, b) => (a.network < b.network ? -1 : 1))
    // A network once planned stays until it is no longer seen: leaving at the threshold would be a move.
    .filter(({ network, rate }) => old.has(network) || rate >= total * policy.minShare);

  const weighed = resolvers.map((resolver) => weigh(resolver, providers, policy));
  const heldBy = resolvers.map(({ network }) => old.get(network)?.shares);
  const current = heldBy.map(mainLink);
  const costs = weighed.map((row, r) => {
    const held = heldBy[r] ?? [];
    return row.map(({ link, cost = Infinity }) =>
      held.some((share) => share.link === link) ? cost * (1 - policy.margin) : cost,
    );
  });
  const room = providers.map((provider) => roomOf(provider, policy));
  const { flow, overflow } = assignTransport(
    resolvers.map(({ rate }) => Math.max(1, rate)),
    costs,
    room,
  );
  const wanted = resolvers.map((_, r) => sharesOf(flow[r], providers));
  const allowed = applyRails({ seen, policy, resolvers, wanted, weighed, current, old, total });

  const entries = resolvers.flatMap((resolver, r): ResolverEntry[] => {
    const shares = allowed[r]?.shares ?? [];
    if (shares.length === 0) return [];
    const previous = old.get(resolver.network);
    const isSame = previous !== undefined && sameShares(previous.shares, shares);
    return [
      {
        network: resolver.network,
        shares: isSame ? previous.shares : shares,
        since: isSame ? previous.since : seen.at,
        reason: allowed[r]?.reason ?? reasonOf(weighed[r] ?? [], shares, overflow > 0),
        candidates: [...(weighed[r] ?? [])].sort(
          (a, b) => (a.cost ?? Infinity) - (b.cost ?? Infinity),
        ),
      },
    ];
  });
  return { at: seen.at, default: defaultShares(open, policy), entries };
}

/** One network's plan as a person reads it. */
export function explainResolver(entry: ResolverEntry): string {
  const shares = entry.shares.map(({ link, share }) => `${link} ${Math.round(share * 100)} %`);
  const lines = entry.candidates.map(({ link, cost, text }) =>
    cost === undefined ? `  ${link}: ${text}` : `  ${link}: cost ${cost.toFixed(2)} (${text})`,
  );
  return [`${entry.network}: ${shares.join(', ')}: ${entry.reason}`, ...lines].join('\n');
}

/** Passive samples from which they alone would be enough; probes still count for a quarter beside them. */
const enoughPassive = 20;

/** Round-trip time of a path: sessions count up to three times as much as probes. Undefined: nothing is known. */
export function pathRttUs({ passive, probe }: PathSample): number | undefined {
  const passiveWeight = passive ? 3 * Math.min(1, passive.samples / enoughPassive) : 0;
  const probeWeight = probe ? 1 : 0;
  if (passiveWeight + probeWeight === 0) return undefined;
  const weighted = passiveWeight * (passive?.rttUs ?? 0) + probeWeight * (probe?.rttUs ?? 0);
  return weighted / (passiveWeight + probeWeight);
}

/** An autonomous system on the way counts as 20 ms: enough to tell near from far, too little to outdo a measurement. */
const hopCost = 0.2;

/** Cost per unit of traffic of each provider: 1 is 100 ms, 1 % of loss, or the dearest price. */
function weigh(
  resolver: ResolverSample,
  providers: readonly ProviderSample[],
  { objective }: ResolverPolicy,
): Candidate[] {
  const dearest = Math.max(0, ...providers.map(({ pricePerMbps = 0 }) => pricePerMbps));
  const priceOf = (perMbps: number) => (dearest > 0 ? (objective.price * perMbps) / dearest : 0);
  const isSilent = !resolver.paths.some(({ isReturning }) => isReturning);
  return providers.map(({ link, outReason, pricePerMbps = 0 }) => {
    const path = resolver.paths.find((candidate) => candidate.link === link);
    if (outReason !== undefined) return { link, text: outReason };
    if (isSilent && path?.asHops !== undefined) {
      const cost = objective.response * path.asHops * hopCost + priceOf(pricePerMbps);
      return { link, cost, text: `nobody there answers; ${path.asHops} autonomous systems away` };
    }
    if (!path?.isReturning) return { link, text: 'no probe from its address is answered' };
    const rttUs = pathRttUs(path);
    if (rttUs === undefined) return { link, text: 'nothing measured yet' };
    const loss = path.probe?.lossRatio ?? 0;
    const cost =
      (objective.response * rttUs) / 100_000 +
      objective.congestion * loss * 100 +
      priceOf(pricePerMbps);
    const source = path.passive ? `${path.passive.samples} sessions` : 'probes';
    const lossText = loss > 0 ? `, loss ${(loss * 100).toFixed(1)} %` : '';
    return { link, cost, text: `${(rttUs / 1000).toFixed(1)} ms by ${source}${lossText}` };
  });
}

interface RailInput {
  readonly seen: ResolverObservation;
  readonly policy: ResolverPolicy;
  readonly resolvers: readonly ResolverSample[];
  readonly wanted: ReadonlyArray<readonly LinkShare[]>;
  readonly weighed: ReadonlyArray<readonly Candidate[]>;
  readonly current: ReadonlyArray<LinkId | undefined>;
  readonly old: ReadonlyMap<PrefixText, ResolverEntry>;
  readonly total: number;
}

interface Allowed {
  readonly shares: readonly LinkShare[];
  readonly reason?: string;
}

/** Newcomers and those whose provider is out go at once; of the rest the largest gains, while the rails let them. */
function applyRails(input: RailInput): Allowed[] {
  const { seen, policy, resolvers, wanted, weighed, current, old, total } = input;
  const costOf = (r: number, link: LinkId | undefined) =>
    weighed[r]?.find((candidate) => candidate.link === link)?.cost;
  const gain = (r: number) =>
    ((costOf(r, current[r]) ?? Infinity) - (costOf(r, mainLink(wanted[r])) ?? 0)) *
    (resolvers[r]?.rate ?? 0);
  const allowed: Allowed[] = resolvers.map((_, r) => ({ shares: wanted[r] ?? [] }));
  let moved = 0;
  const order = resolvers.map((_, r) => r).sort((a, b) => gain(b) - gain(a) || a - b);
  for (const r of order) {
    const resolver = resolvers[r];
    const entry = resolver && old.get(resolver.network);
    const isForced = !entry || costOf(r, current[r]) === undefined;
    if (!resolver || isForced || sameShares(entry.shares, wanted[r] ?? [])) continue;
    const target = mainLink(wanted[r]) ?? 'elsewhere';
    const waitMs = entry.since + policy.dwellMs - seen.at;
    const isOverShare = moved > 0 && moved + resolver.rate > policy.sharePerRound * total;
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1000);
      allowed[r] = stay(entry, `${target} is better; dwell: changed lately, waits ${seconds} s`);
    } else if (isOverShare) {
      const share = Math.round(policy.sharePerRound * 100);
      allowed[r] = stay(entry, `${target} is better; ${share} % of the traffic move this round`);
    } else moved += resolver.rate;
  }
  return allowed;
}

const stay = ({ shares }: ResolverEntry, reason: string): Allowed => ({ shares, reason });

function reasonOf(
  candidates: readonly Candidate[],
  shares: readonly LinkShare[],
  isOverfull: boolean,
): string {
  const chosen = candidates.find(({ link }) => link === mainLink(shares));
  const cheaper = candidates.filter(
    ({ cost = Infinity }) => cost < (chosen?.cost ?? Infinity) - 1e-9,
  );
  if (!chosen) return 'no provider is better known';
  if (cheaper.length === 0) return `best path: ${chosen.text}`;
  const names = cheaper.map(({ link }) => link).join(', ');
  return isOverfull
    ? `${chosen.text}; all providers are full`
    : `${chosen.text}; ${names} is full, or not enough better to change`;
}

/** For the unknown: by the room that is left beside what no answer steers. */
function defaultShares(open: readonly ProviderSample[], policy: ResolverPolicy): LinkShare[] {
  const room = open.map((provider) => roomOf(provider, policy));
  const total = sum(room);
  return open.map(({ link }, i) => ({
    link,
    share: total > 0 ? (room[i] ?? 0) / total : 1 / open.length,
  }));
}

const roomOf = ({ capacity, otherLoad, outReason }: ProviderSample, policy: ResolverPolicy) =>
  outReason === undefined ? Math.max(0, capacity * policy.headroom - otherLoad) : 0;

function sharesOf(
  row: Float64Array | undefined,
  providers: readonly ProviderSample[],
): LinkShare[] {
  const flow = [...(row ?? [])];
  // Below a percent a split is rounding, and would be a change without effect.
  const kept = flow.map((amount) => (amount >= 0.01 * sum(flow) ? amount : 0));
  return providers.flatMap(({ link }, i) => {
    const amount = kept[i] ?? 0;
    return amount > 0 ? [{ link, share: amount / sum(kept) }] : [];
  });
}

/** The link with the largest share. */
function mainLink(shares: readonly LinkShare[] | undefined): LinkId | undefined {
  return [...(shares ?? [])].sort((a, b) => b.share - a.share || (a.link < b.link ? -1 : 1))[0]
    ?.link;
}

/** The same but for a few percent, which is what measured rates wander by. */
function sameShares(a: readonly LinkShare[], b: readonly LinkShare[]): boolean {
  const share = (of: readonly LinkShare[], link: LinkId) =>
    of.find((entry) => entry.link === link)?.share ?? 0;
  return [...a, ...b].every(({ link }) => Math.abs(share(a, link) - share(b, link)) < 0.1);
}

const byLink = (a: ProviderSample, b: ProviderSample) => (a.link < b.link ? -1 : 1);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
