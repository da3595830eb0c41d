import { type Asn, prefixText, type RouterId } from '../base/units.ts';
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
 * `ASN:LINK:N` prepends N times (1 to 5) towards link number LINK, `ASN:LINK:99` keeps the block from
 * that link, and `ASN:0:1` marks whatever headgate announces.
 */
export const maxPrependByCommunity = 5;
export const withholdValue = 99;
export const markerOf = (asn: Asn): LargeCommunity => [asn, 0, 1];
export const prependTowards = (asn: Asn, link: number, times: number): LargeCommunity => [
  asn,
  link,
  times,
];
export const withholdFrom = (asn: Asn, link: number): LargeCommunity => [asn, link, withholdValue];

/** What one rung of the escalation ladder does to the links that are not preferred. */
export type RungAction =
  | { readonly kind: 'unbiased' }
  | { readonly kind: 'prepend'; readonly times: number }
  /** Communities that the other links' providers act upon, by link number: "local preference 80", … */
  | {
      readonly kind: 'provider_communities';
      readonly byLink: ReadonlyMap<number, readonly Community[]>;
    }
  /** A more-specific on the preferred link alone; the aggregate stays on all. */
  | { readonly kind: 'withhold' };

/** From the mildest to the strongest; the rung of a plan is an index into it. */
export type Ladder = readonly RungAction[];

export const defaultLadder: Ladder = [
  { kind: 'unbiased' },
  { kind: 'prepend', times: 1 },
  { kind: 'prepend', times: 2 },
  { kind: 'prepend', times: 3 },
  { kind: 'withhold' },
];

export interface SteeringInput {
  readonly asn: Asn;
  readonly links: readonly SteeredLink[];
  readonly blocks: readonly BlockPlan[];
  readonly ladder?: Ladder;
}

/**
 * The whole desired outbound state for a plan: every block to every router that has an eligible link, alike
 * but for the communities that bias it. The order of the input does not matter.
 */
export function announcementsFor(input: SteeringInput): Desired {
  const { asn, links } = input;
  const ladder = input.ladder ?? defaultLadder;
  const eligible = links.filter((link) => link.isEligible).sort((a, b) => a.number - b.number);
  const routers = [...new Set(eligible.map((link) => link.router))].sort();
  const blocks = [...input.blocks].sort((a, b) => (a.block < b.block ? -1 : 1));
  const desired = new Map<RouterId, readonly Announcement[]>();
  for (const router of routers) {
    desired.set(
      router,
      blocks.map((plan) => announcementFor(plan, asn, eligible, routers, ladder)),
    );
  }
  return desired;
}

function announcementFor(
  plan: BlockPlan,
  asn: Asn,
  eligible: readonly SteeredLink[],
  routers: readonly RouterId[],
  ladder: Ladder,
): Announcement {
  const preferred = eligible.find((link) => link.id === plan.link);
  const action = preferred && ladder[Math.min(Math.max(plan.rung, 0), ladder.length - 1)];
  const others = eligible.filter((link) => link !== preferred);
  const communities: Community[] = [];
  const largeCommunities: LargeCommunity[] = [markerOf(asn)];
  if (action?.kind === 'prepend') {
    const times = Math.min(action.times, maxPrependByCommunity);
    for (const link of others) largeCommunities.push(prependTowards(asn, link.number, times));
  } else if (action?.kind === 'withhold') {
    for (const link of others) largeCommunities.push(withholdFrom(asn, link.number));
  } else if (action?.kind === 'provider_communities') {
    for (const link of others) communities.push(...(action.byLink.get(link.number) ?? []));
  }
  return {
    prefix: prefixText(plan.block),
    communities,
    largeCommunities,
    prepend: 0,
    requires: routers,
  };
}
