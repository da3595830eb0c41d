import type { LinkId, PrefixText } from '../base/units.ts';
import type { BlockObservation, BlockRouting, Observation } from '../model/observation.ts';
import { sharesToArray } from './effects.ts';
import type { Network } from './network.ts';
import type { GroupPolicy, Policy, Quality, Weights } from './policy.ts';
import { type BlockState, emptyBlockState, type State } from './state.ts';

/** Blocks that move together, with all that a decision needs to know of them. Arrays are indexed by link. */
export interface Group {
  readonly name: string;
  readonly blocks: readonly PrefixText[];
  /** Inbound bit/s. */
  readonly rate: number;
  /** Where its traffic is, or is expected to be while a move has not been judged. */
  readonly shares: readonly number[];
  /** Where its traffic came in over the interval. */
  readonly seen: readonly number[];
  /** Where the unbiased Internet sends it. */
  readonly baseline: readonly number[];
  /** Link that it is biased to; -1 is unbiased. */
  readonly link: number;
  readonly rung: number;
  readonly state: BlockState;
  readonly isPending: boolean;
  readonly weights: Weights;
  readonly best: Quality | undefined;
  readonly mayUse: readonly boolean[];
  /** Link that the operator holds it on. */
  readonly pin: LinkId | undefined;
  readonly routing: BlockRouting;
  readonly ageMs: number;
  readonly coverage: number;
}

/** All groups in the order of their names: what the plan holds, and what was observed. */
export function formGroups(
  observation: Observation,
  policy: Policy,
  state: State,
  network: Network,
): Group[] {
  const observed = new Map(observation.blocks.map((block) => [block.block as string, block]));
  const planned = new Map(state.plan.blocks.map((block) => [block.block as string, block]));
  const pending = new Map(state.pending.map((entry) => [entry.block as string, entry]));
  const pins = new Map(policy.pins.map((pin) => [pin.block as string, pin.link]));
  const memberOf = new Map<string, GroupPolicy>();
  for (const group of policy.groups) for (const block of group.blocks) memberOf.set(block, group);

  const members = new Map<string, PrefixText[]>();
  const blocks = new Set([...observed.values()].map((block) => block.block));
  for (const block of planned.values()) blocks.add(block.block);
  for (const block of blocks) {
    const name = memberOf.get(block)?.group ?? block;
    const list = members.get(name);
    if (list) list.push(block);
    else members.set(name, [block]);
  }

  return [...members].sort(byName).map(([name, list]) => {
    list.sort();
    const rule = memberOf.get(list[0] ?? '');
    const lead = latestState(list, state);
    const plan = list.map((block) => planned.get(block)).find((entry) => entry);
    const seenRates = sumRates(list, observed, network);
    const rate = seenRates.reduce((a, b) => a + b, 0);
    const seen = rate > 0 ? seenRates.map((value) => value / rate) : evenly(network);
    const expected = list.map((block) => pending.get(block)).find((entry) => entry);
    const baseline = lead.baseline ? sharesToArray(network, lead.baseline) : seen;
    return {
      name,
      blocks: list,
      rate,
      shares: expected ? sharesToArray(network, expected.shares) : seen,
      seen,
      baseline,
      link: plan?.link === undefined ? -1 : (network.indexOf.get(plan.link) ?? -1),
      rung: plan?.rung ?? 0,
      state: lead,
      isPending: expected !== undefined,
      weights: rule?.objective ?? policy.objective,
      best: rule?.best,
      mayUse: network.links.map((link) => rule?.links?.includes(link) ?? true),
      pin: list.map((block) => pins.get(block)).find((link) => link !== undefined),
      routing: mergeRouting(list.map((block) => observed.get(block)?.routing ?? {})),
      ageMs: Math.max(0, ...list.map((block) => observed.get(block)?.ageMs ?? 0)),
      coverage: Math.min(1, ...list.map((block) => observed.get(block)?.coverage ?? 1)),
    };
  });
}

/** The link that most of a group's traffic comes in by; the first by name among equals. */
export function dominantLink(group: Group): number {
  let best = 0;
  for (let i = 1; i < group.shares.length; i++)
    if ((group.shares[i] ?? 0) > (group.shares[best] ?? 0)) best = i;
  return best;
}

/** The state of the member that changed last: members move together, so it speaks for all. */
function latestState(blocks: readonly PrefixText[], state: State): BlockState {
  let latest: BlockState | undefined;
  for (const block of blocks) {
    const candidate = state.blocks[block];
    if (!candidate) continue;
    if (!latest || (candidate.changes.at(-1) ?? 0) > (latest.changes.at(-1) ?? 0))
      latest = candidate;
  }
  return latest ?? emptyBlockState;
}

function sumRates(
  blocks: readonly PrefixText[],
  observed: ReadonlyMap<string, BlockObservation>,
  network: Network,
): number[] {
  const rates = new Array<number>(network.links.length).fill(0);
  for (const block of blocks) {
    for (const { link, rate } of observed.get(block)?.inbound ?? []) {
      const i = network.indexOf.get(link);
      if (i !== undefined) rates[i] = (rates[i] ?? 0) + rate;
    }
  }
  return rates;
}

function mergeRouting(all: readonly BlockRouting[]): BlockRouting {
  const known = all.filter((routing) => routing.carriedOn !== undefined);
  const carriedOn = (known[0]?.carriedOn ?? []).filter((link) =>
    known.every((routing) => routing.carriedOn?.includes(link)),
  );
  const doubted =
    all.find(({ roa }) => roa === 'invalid') ?? all.find(({ roa }) => roa === 'stale');
  return {
    isForeign: all.some((routing) => routing.isForeign === true),
    ...(doubted?.roa ? { roa: doubted.roa } : {}),
    ...(doubted?.roaReason ? { roaReason: doubted.roaReason } : {}),
    ...(known.length > 0 ? { carriedOn } : {}),
  };
}

const evenly = (network: Network): number[] =>
  network.links.map(() => 1 / Math.max(1, network.links.length));

const byName = (a: readonly [string, unknown], b: readonly [string, unknown]): number =>
  a[0] < b[0] ? -1 : 1;
