import { eachSliced, mapSliced, type Sliced } from '../base/slices.ts';
import type { LinkId, PrefixText } from '../base/units.ts';
import type { BlockObservation, BlockRouting, Observation } from '../model/observation.ts';
import type { BlockPlan } from '../model/plan.ts';
import type { Network } from './network.ts';
import type { GroupPolicy, Policy, Quality, Weights } from './policy.ts';
import { fromNamed, mostOf, type Spread, spreadOf } from './spread.ts';
import { type BlockState, emptyBlockState, type State } from './state.ts';

/** Blocks that move together, with all that a decision needs to know of them. */
export interface Group {
  readonly name: string;
  readonly blocks: readonly PrefixText[];
  /** Inbound bit/s. */
  readonly rate: number;
  /** Where its traffic is, or is expected to be while a move has not been judged. */
  readonly shares: Spread;
  /** Where its traffic came in over the interval. */
  readonly seen: Spread;
  /** Where the unbiased Internet sends it. */
  readonly baseline: Spread;
  /** Link that it is biased to; -1 is unbiased. */
  readonly link: number;
  readonly rung: number;
  readonly state: BlockState;
  readonly isPending: boolean;
  readonly weights: Weights;
  readonly best: Quality | undefined;
  /** By link. */
  readonly mayUse: readonly boolean[];
  /** Link that the operator holds it on. */
  readonly pin: LinkId | undefined;
  readonly routing: BlockRouting;
  readonly ageMs: number;
  readonly coverage: number;
}

/** All groups in the order of their names: what the plan holds, and what was observed. */
export function* formGroups(
  observation: Observation,
  policy: Policy,
  state: State,
  network: Network,
): Sliced<Group[]> {
  const observed = new Map<string, BlockObservation>();
  yield* eachSliced(observation.blocks, (block) => observed.set(block.block, block));
  const planned = new Map<string, BlockPlan>();
  yield* eachSliced(state.plan.blocks, (block) => planned.set(block.block, block));
  const pending = new Map(state.pending.map((entry) => [entry.block as string, entry]));
  const pins = new Map(policy.pins.map((pin) => [pin.block as string, pin.link]));
  const memberOf = new Map<string, GroupPolicy>();
  for (const group of policy.groups) for (const block of group.blocks) memberOf.set(block, group);

  const members = new Map<string, PrefixText[]>();
  const add = (block: PrefixText) => {
    const name = memberOf.get(block)?.group ?? block;
    const list = members.get(name);
    if (list) list.push(block);
    else members.set(name, [block]);
  };
  yield* eachSliced(observation.blocks, ({ block }) => add(block));
  yield* eachSliced(state.plan.blocks, ({ block }) => {
    if (!observed.has(block)) add(block);
  });

  const everywhere = network.links.map(() => true);
  const even: Spread = {
    links: network.links.map((_, link) => link),
    shares: network.links.map(() => 1 / network.links.length),
  };
  const inOrder = [...members].sort(byName);
  yield;
  return yield* mapSliced(inOrder, ([name, list]): Group => {
    if (list.length > 1) list.sort();
    const rule = memberOf.get(list[0] ?? '');
    const lead = latestState(list, state);
    const plan = firstOf(list, planned);
    const { seen, rate } = sumRates(list, observed, network, even);
    const expected = firstOf(list, pending);
    const { routing, ageMs, coverage } = inputsOf(list, observed);
    const baseline = lead.baseline ? fromNamed(network, lead.baseline) : seen;
    return {
      name,
      blocks: list,
      rate,
      shares: expected ? fromNamed(network, expected.shares) : seen,
      seen,
      baseline,
      link: plan?.link === undefined ? -1 : (network.indexOf.get(plan.link) ?? -1),
      rung: plan?.rung ?? 0,
      state: lead,
      isPending: expected !== undefined,
      weights: rule?.objective ?? policy.objective,
      best: rule?.best,
      mayUse: rule?.links
        ? network.links.map((link) => rule.links?.includes(link) ?? true)
        : everywhere,
      pin: pins.size > 0 ? firstOf(list, pins) : undefined,
      routing,
      ageMs,
      coverage,
    };
  });
}

function firstOf<T>(blocks: readonly PrefixText[], known: ReadonlyMap<string, T>): T | undefined {
  for (const block of blocks) {
    const found = known.get(block);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The oldest and thinnest of the members speak for the group, and whatever any of them is forbidden. */
function inputsOf(
  blocks: readonly PrefixText[],
  observed: ReadonlyMap<string, BlockObservation>,
): Pick<Group, 'routing' | 'ageMs' | 'coverage'> {
  let ageMs = 0;
  let coverage = 1;
  const routings: BlockRouting[] = [];
  for (const block of blocks) {
    const seen = observed.get(block);
    if (!seen) continue;
    ageMs = Math.max(ageMs, seen.ageMs);
    coverage = Math.min(coverage, seen.coverage);
    if (seen.routing) routings.push(seen.routing);
  }
  return { ageMs, coverage, routing: routings.length > 0 ? mergeRouting(routings) : nowhereTold };
}

const nowhereTold: BlockRouting = {};

/** The link that most of a group's traffic comes in by; the first by name among equals. */
export const dominantLink = (group: Group): number => mostOf(group.shares);

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
  even: Spread,
): { readonly seen: Spread; readonly rate: number } {
  const parts: (readonly [link: number, rate: number])[] = [];
  let total = 0;
  for (const block of blocks) {
    for (const { link, rate } of observed.get(block)?.inbound ?? []) {
      const i = network.indexOf.get(link);
      if (i === undefined) continue;
      parts.push([i, rate]);
      total += rate;
    }
  }
  if (total <= 0) return { seen: even, rate: 0 };
  return { seen: spreadOf(parts, total), rate: total };
}

function mergeRouting(all: readonly BlockRouting[]): BlockRouting {
  const [only, another] = all;
  if (only && !another) return only;
  const known = all.filter((routing) => routing.carriedOn !== undefined);
  const carriedOn = (known[0]?.carriedOn ?? []).filter((link) =>
    known.every((routing) => routing.carriedOn?.includes(link)),
  );
  const foreign = all.find((routing) => routing.foreignReason !== undefined)?.foreignReason;
  const doubted =
    all.find(({ roa }) => roa === 'invalid') ?? all.find(({ roa }) => roa === 'stale');
  const frozen = all.find((routing) => routing.frozenReason !== undefined)?.frozenReason;
  return {
    isForeign: all.some((routing) => routing.isForeign === true),
    ...(foreign === undefined ? {} : { foreignReason: foreign }),
    isWithheld: all.some((routing) => routing.isWithheld === true),
    ...(frozen === undefined ? {} : { frozenReason: frozen }),
    ...(doubted?.roa ? { roa: doubted.roa } : {}),
    ...(doubted?.roaReason ? { roaReason: doubted.roaReason } : {}),
    ...(known.length > 0 ? { carriedOn } : {}),
  };
}

const byName = (a: readonly [string, unknown], b: readonly [string, unknown]): number =>
  a[0] < b[0] ? -1 : 1;
