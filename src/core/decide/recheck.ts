import type { LinkId, PrefixText } from '../base/units.ts';
import type { BlockRouting } from '../model/observation.ts';
import type { BlockPlan, Plan } from '../model/plan.ts';
import type { Policy } from './policy.ts';

/** What a unit knows by itself, whoever decided. */
export interface OwnKnowledge {
  readonly blocks: ReadonlySet<PrefixText>;
  readonly policy: Pick<Policy, 'links' | 'rungs'>;
  /** What its own routers and its own VRPs say. */
  readonly routing: ReadonlyMap<PrefixText, BlockRouting>;
}

export interface Refusal {
  readonly block: PrefixText;
  readonly reason: 'not_ours' | 'unknown_link' | 'unknown_rung' | 'foreign' | 'rpki' | 'malformed';
}

/**
 * The part of a plan that this unit answers for, with what its own rails refuse. A plan comes from another unit: what
 * it says is believed of the network, not of what may be announced.
 */
export function recheck(
  plan: Plan,
  own: OwnKnowledge,
): { readonly plan: Plan; readonly refused: readonly Refusal[] } {
  const links = new Set(own.policy.links.map(({ link }) => link));
  const refused: Refusal[] = [];
  const blocks = plan.blocks.filter((entry) => {
    const reason = refusalOf(entry, own, links);
    if (reason) refused.push({ block: entry.block, reason });
    return reason === undefined;
  });
  return { plan: refused.length === 0 ? plan : { ...plan, blocks }, refused };
}

function refusalOf(
  { block, link, rung }: BlockPlan,
  { blocks, policy, routing }: OwnKnowledge,
  links: ReadonlySet<LinkId>,
): Refusal['reason'] | undefined {
  if (typeof block !== 'string' || typeof rung !== 'number') return 'malformed';
  if (!blocks.has(block)) return 'not_ours';
  if (link !== undefined && !links.has(link)) return 'unknown_link';
  if (!Number.isInteger(rung) || rung < 0 || rung > policy.rungs) return 'unknown_rung';
  const told = routing.get(block);
  if (told?.isForeign) return 'foreign';
  return told?.roa === 'invalid' ? 'rpki' : undefined;
}
