import {
  addressBits,
  covers,
  dividePrefix,
  formatPrefix,
  type Prefix,
  prefixOf,
} from '../base/prefix.ts';
import { unreachable } from '../base/result.ts';
import { mapSliced, type Sliced, whole } from '../base/slices.ts';
import type { Asn, PrefixText, RouterId } from '../base/units.ts';
import type { BlockPlan } from '../model/plan.ts';
import type {
  Announcement,
  Community,
  Desired,
  LargeCommunity,
  SteeredLink,
} from './announcement.ts';

/**
 * The words that headgate and the routers' export policies share, as large communities (RFC 8092):
 * `ASN:LINK:N` prepends N times (1 to 5) towards link number LINK, `ASN:LINK:90` announces with a worse MED
 * there, `ASN:LINK:99` keeps the block from that link, and `ASN:0:1` marks whatever headgate announces.
 */
export const maxPrependByCommunity = 5;
export const worseMedValue = 90;
export const withholdValue = 99;
/** What a router's policy sets for `worseMedValue`; without it a block has none, which counts as 0. */
export const worseMed = 100;
export const markerOf = (asn: Asn): LargeCommunity => [asn, 0, 1];
export const prependTowards = (asn: Asn, link: number, times: number): LargeCommunity => [
  asn,
  link,
  times,
];
export const worseMedTowards = (asn: Asn, link: number): LargeCommunity => [
  asn,
  link,
  worseMedValue,
];
export const withholdFrom = (asn: Asn, link: number): LargeCommunity => [asn, link, withholdValue];

/** What a provider acts upon. */
export interface ProviderAction {
  readonly communities: readonly Community[];
  readonly largeCommunities: readonly LargeCommunity[];
}

/** What one rung of the escalation ladder does to the links that are not preferred. */
export type RungAction =
  | { readonly kind: 'unbiased' }
  | { readonly kind: 'prepend'; readonly times: number }
  /** Communities that the other links' providers act upon, by link number: "local preference 80", … */
  | {
      readonly kind: 'provider_communities';
      /** The action's name in the settings, for people. */
      readonly name: string;
      readonly byLink: ReadonlyMap<number, ProviderAction>;
    }
  /** A worse MED on the other links to the preferred link's neighbour; links to other ASes are left as they are. */
  | { readonly kind: 'med' }
  /**
   * More-specifics on the preferred link alone, the aggregate on all: the block itself within one of our networks; of a
   * block that is a whole network its halves, while it stays announced everywhere.
   */
  | { readonly kind: 'more_specifics' };

/** From the mildest to the strongest; the rung of a plan is an index into it. */
export type Ladder = readonly RungAction[];

export const defaultLadder: Ladder = [
  { kind: 'unbiased' },
  { kind: 'prepend', times: 1 },
  { kind: 'prepend', times: 2 },
  { kind: 'prepend', times: 3 },
  { kind: 'more_specifics' },
];

/** What a rung does to the other links, in words. */
export function describeRung(action: RungAction): string {
  switch (action.kind) {
    case 'unbiased':
      return 'no bias';
    case 'prepend':
      return action.times === 1 ? '1 prepend' : `${action.times} prepends`;
    case 'provider_communities':
      return `the providers' ${action.name}`;
    case 'med':
      return 'a worse MED';
    case 'more_specifics':
      return 'no more-specific';
    default:
      return unreachable(action);
  }
}

export interface SteeringInput {
  readonly asn: Asn;
  readonly links: readonly SteeredLink[];
  readonly blocks: readonly BlockPlan[];
  readonly ladder?: Ladder;
  /** The aggregates that the routers themselves announce: a block that is one of them is never withheld. */
  readonly networks: readonly Prefix[];
  /** Whether a part of a block may be announced (length, RPKI). */
  readonly mayAnnounce: (part: Prefix) => boolean;
}

/**
 * The whole desired outbound state for a plan: every block to every router, alike but for how prepends are asked for. A
 * link that is not eligible is steered away from like any other: when it returns, its router exports what it is to, and
 * need not wait for a cycle. The order of the input does not matter.
 */
export const announcementsFor = (input: SteeringInput): Desired =>
  whole(announcementsSliced(input));

export function* announcementsSliced(input: SteeringInput): Sliced<Desired> {
  const links = [...input.links].sort((a, b) => a.number - b.number);
  const steered = {
    ...input,
    links,
    ladder: input.ladder ?? defaultLadder,
    requires: routersOf(
      links.filter(({ isEligible, isRequired = true }) => isEligible && isRequired),
    ),
  };
  const blocks = [...input.blocks].sort((a, b) => (a.block < b.block ? -1 : 1));
  yield;
  const announcements = (yield* mapSliced(blocks, (plan) => announcementsOf(plan, steered))).flat();
  const desired = new Map<RouterId, readonly Announcement[]>();
  for (const router of routersOf(links)) {
    const own = links.filter((link) => link.router === router);
    const [link] = own;
    const isInPath = own.length === 1 && link?.prependsInPath === true;
    desired.set(
      router,
      isInPath ? yield* mapSliced(announcements, (one) => inPath(one, link.number)) : announcements,
    );
  }
  return desired;
}

/** The same with the prepends towards a link in the path itself, in place of the word for them. */
function inPath(announcement: Announcement, link: number): Announcement {
  const isPrepend = ([, towards, value]: LargeCommunity) =>
    towards === link && value >= 1 && value <= maxPrependByCommunity;
  const word = announcement.largeCommunities.find(isPrepend);
  if (!word) return announcement;
  const largeCommunities = announcement.largeCommunities.filter((one) => one !== word);
  return { ...announcement, largeCommunities, prepend: word[2] };
}

const routersOf = (links: readonly SteeredLink[]): readonly RouterId[] =>
  [...new Set(links.map((link) => link.router))].sort();

interface Steered extends SteeringInput {
  readonly ladder: Ladder;
  readonly requires: readonly RouterId[];
}

function announcementsOf(plan: BlockPlan, steered: Steered): readonly Announcement[] {
  const { asn, links, ladder, requires, networks, mayAnnounce } = steered;
  const announce = (prefix: PrefixText, action?: ProviderAction): Announcement => ({
    prefix,
    communities: action?.communities ?? [],
    largeCommunities: [markerOf(asn), ...(action?.largeCommunities ?? [])],
    prepend: 0,
    requires,
  });
  const preferred = links.find((link) => link.id === plan.link);
  if (!preferred?.isEligible) return [announce(plan.block)];
  const others = links.filter((link) => link !== preferred);
  const rung = Math.min(Math.max(plan.rung, 0), ladder.length - 1);
  const action = ladder[rung] ?? { kind: 'unbiased' };
  if (action.kind !== 'more_specifics')
    return [announce(plan.block, biasOf(action, asn, preferred, others))];

  const withheld = {
    communities: [],
    largeCommunities: others.map((link) => withholdFrom(asn, link.number)),
  };
  const block = prefixOf(plan.block);
  const hasAggregate = networks.some(
    (network) => network.length < block.length && covers(network, block),
  );
  if (hasAggregate) return [announce(plan.block, withheld)];
  const halves =
    block.length < addressBits(block.family) ? dividePrefix(block, block.length + 1) : [];
  // Without parts that may be announced the strongest milder rung is as far as it goes.
  if (halves.length === 0 || !halves.every(mayAnnounce))
    return announcementsOf(
      { ...plan, rung: rung - 1 },
      { ...steered, ladder: ladder.slice(0, rung) },
    );
  return [announce(plan.block), ...halves.map((half) => announce(formatPrefix(half), withheld))];
}

/** The words that bias a block against `others`. */
function biasOf(
  action: Exclude<RungAction, { readonly kind: 'more_specifics' }>,
  asn: Asn,
  preferred: SteeredLink,
  others: readonly SteeredLink[],
): ProviderAction {
  const words = (largeCommunities: readonly LargeCommunity[]): ProviderAction => ({
    communities: [],
    largeCommunities,
  });
  switch (action.kind) {
    case 'unbiased':
      return words([]);
    case 'prepend': {
      const times = Math.min(action.times, maxPrependByCommunity);
      return words(others.map((link) => prependTowards(asn, link.number, times)));
    }
    case 'med':
      return words(
        others
          .filter((link) => link.neighbor === preferred.neighbor)
          .map((link) => worseMedTowards(asn, link.number)),
      );
    case 'provider_communities': {
      const asked = others.flatMap((link) => action.byLink.get(link.number) ?? []);
      return {
        communities: asked.flatMap((one) => one.communities),
        largeCommunities: asked.flatMap((one) => one.largeCommunities),
      };
    }
    default:
      return unreachable(action);
  }
}
