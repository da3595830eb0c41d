import { initialState, type State } from '../core/decide/index.ts';
import type { Settings } from '../core/settings/index.ts';
import type { Memory } from '../history/index.ts';

/**
 * What of an earlier run still holds: links and blocks that settings no longer have are forgotten, and a plan
 * older than `holdMs` is not taken up again, since the routers have long been back to plain BGP.
 */
export function recall(
  memory: Memory | undefined,
  settings: Settings,
  now: number,
  holdMs: number,
): Memory {
  if (!memory) return { at: now, state: initialState(), isWithdrawn: false };
  const { state } = memory;
  const blocks = new Set<string>(settings.blocks.map((block) => block.prefix));
  const links = new Set<string>(settings.links.map((link) => link.name));
  const isKnown = (entry: { readonly block: string; readonly link?: string | undefined }) =>
    blocks.has(entry.block) && (entry.link === undefined || links.has(entry.link));
  const isFresh = now - memory.at <= holdMs && settings.mode !== 'observe';
  const keep = (plan: State['plan']) =>
    isFresh ? { ...plan, blocks: plan.blocks.filter(isKnown) } : emptied(plan);
  return {
    at: memory.at,
    isWithdrawn: memory.isWithdrawn,
    ...(memory.isAside ? { isAside: true } : {}),
    withheld: (memory.withheld ?? []).filter((block) => blocks.has(block)),
    state: {
      ...state,
      plan: keep(state.plan),
      blocks: Object.fromEntries(
        Object.entries(state.blocks).filter(([block]) => blocks.has(block)),
      ),
      pending: isFresh ? state.pending.filter(({ block, to }) => isKnown({ block, link: to })) : [],
      effects: Object.fromEntries(
        Object.entries(state.effects).filter(([link]) => links.has(link)),
      ),
    },
    ...(memory.inForce && isFresh ? { inForce: keep(memory.inForce) } : {}),
  };
}

const emptied = (plan: State['plan']): State['plan'] => ({ ...plan, blocks: [] });
