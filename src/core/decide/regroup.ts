/**
 * How our networks are divided into blocks, and blocks into groups, changed by what they carry: a block too heavy to
 * place is cut in two, down to the floor, and joined again when it is light; blocks too light to matter move as one.
 * Pure, and slow on purpose: it is asked once in a while, and what it leaves alone stays as it was.
 */
import {
  comparePrefixes,
  dividePrefix,
  formatPrefix,
  makePrefix,
  prefixOf,
} from '../base/prefix.ts';
import type { Ms, PrefixText } from '../base/units.ts';
import type { BlockPlan } from '../model/plan.ts';
import { loadSteps } from './aim.ts';
import { type AssignProblem, assign } from './assign/index.ts';
import type { Policy } from './policy.ts';
import type { BlockState, State } from './state.ts';

/** A block, and the group that it moves with; those without one move alone. */
export interface Division {
  readonly prefix: PrefixText;
  readonly group?: string;
}

export interface RegroupPolicy {
  /** A block above this share of the smallest link is too heavy, from 0 to 1. */
  readonly heavy: number;
  /** A block below this share of all traffic is too light to matter. */
  readonly light: number;
  /** The longest prefixes that may be announced. */
  readonly floor: { readonly ipv4: number; readonly ipv6: number };
}

export interface RegroupInput {
  /** As settings have them: what is joined again goes no further, and groups that are named there stay. */
  readonly configured: readonly Division[];
  readonly present: readonly Division[];
  /** Mean inbound bit/s of each present block over the interval; absent is 0. */
  readonly usage: ReadonlyMap<PrefixText, number>;
  readonly policy: Policy;
  readonly state: State;
  readonly regroup: RegroupPolicy;
}

export interface Regrouping {
  readonly kind: 'split' | 'join' | 'merge' | 'part' | 'move';
  readonly blocks: readonly PrefixText[];
  readonly reason: string;
  /** By how much the best assignment is cheaper with it, as a share of its value; 0 where it only saves work. */
  readonly gain: number;
}

export interface Regrouped {
  /** In address order. */
  readonly divisions: readonly Division[];
  readonly changes: readonly Regrouping[];
}

/** Halves are joined below this part of what would cut them again. */
const joinBelow = 0.5;
/** A member leaves a group of light blocks when it carries this many times what is light. */
const partAbove = 3;
/** Splits and moves that gain less are left: groups are stable. */
const leastGain = 1e-3;
/** A new half takes after the block that it was cut from, at most so many cuts ago. */
const mostHalvings = 16;
/** What headgate's own groups are called. */
const lightName = /^light-\d+$/;

export function regroup(input: RegroupInput): Regrouped {
  const changes: Regrouping[] = [];
  let divisions: readonly Division[] = [...input.present];
  for (const step of [joinHalves, splitHeavy, partFromLight, mergeLight, moveBetween]) {
    const next = step(input, divisions);
    changes.push(...next.changes);
    divisions = next.divisions;
  }
  return changes.length === 0
    ? { divisions: input.present, changes }
    : { divisions: inOrder(divisions), changes };
}

type Step = (input: RegroupInput, divisions: readonly Division[]) => Regrouped;

/** Halves that are light again and are steered alike become the block that they were. */
const joinHalves: Step = ({ configured, usage, policy, state, regroup: rules }, divisions) => {
  const limit = joinBelow * rules.heavy * smallestLink(policy);
  const known = new Set(configured.map(({ prefix }) => prefix));
  const byPrefix = new Map(divisions.map((division) => [division.prefix, division]));
  const plan = new Map(state.plan.blocks.map((entry) => [entry.block, entry]));
  const pending = new Set(state.pending.map(({ block }) => block));
  const changes: Regrouping[] = [];
  for (const { prefix } of divisions) {
    if (known.has(prefix) || !byPrefix.has(prefix)) continue;
    const parent = parentOf(prefix);
    const [low, high] = halvesOf(parent);
    const [one, other] = [byPrefix.get(low), byPrefix.get(high)];
    if (!one || !other || one.group !== other.group || pending.has(low) || pending.has(high))
      continue;
    const isAlike =
      plan.get(low)?.link === plan.get(high)?.link && plan.get(low)?.rung === plan.get(high)?.rung;
    const rate = (usage.get(low) ?? 0) + (usage.get(high) ?? 0);
    if (!isAlike || rate > limit) continue;
    byPrefix.delete(low);
    byPrefix.delete(high);
    byPrefix.set(parent, { ...one, prefix: parent });
    const reason = `${low} and ${high} carry ${mbps(rate)} together, less than half of what is too heavy: one announcement less`;
    changes.push({ kind: 'join', blocks: [parent], reason, gain: 0 });
  }
  return { divisions: [...byPrefix.values()], changes };
};

const splitHeavy: Step = (input, divisions) => {
  const { usage, policy, state, regroup: rules } = input;
  const limit = rules.heavy * smallestLink(policy);
  const pending = new Set(state.pending.map(({ block }) => block));
  const changes: Regrouping[] = [];
  let present = [...divisions];
  const heaviest = [...divisions].sort(
    (a, b) => (usage.get(b.prefix) ?? 0) - (usage.get(a.prefix) ?? 0),
  );
  for (const division of heaviest) {
    const rate = usage.get(division.prefix) ?? 0;
    if (rate <= limit) break;
    const { family, length } = prefixOf(division.prefix);
    const floor = family === 4 ? rules.floor.ipv4 : rules.floor.ipv6;
    if (length >= floor || pending.has(division.prefix)) continue;
    const [low, high] = halvesOf(division.prefix);
    const without = present.filter((other) => other !== division);
    const next = [...without, { ...division, prefix: low }, { ...division, prefix: high }];
    // What each half carries shows when it is counted; until then half each is the best guess.
    const guess = new Map(usage).set(low, rate / 2).set(high, rate / 2);
    const gain = gainOf(input, present, next, guess);
    if (gain < leastGain) continue;
    present = next;
    const reason = `${division.prefix} carries ${mbps(rate)}, more than ${percent(rules.heavy)} of the smallest link: cut into ${low} and ${high}`;
    changes.push({ kind: 'split', blocks: [low, high], reason, gain });
  }
  return { divisions: present, changes };
};

/** A member of a group of light blocks that is not light any more moves alone again. */
const partFromLight: Step = ({ usage, regroup: rules }, divisions) => {
  const limit = partAbove * rules.light * totalOf(usage);
  const changes: Regrouping[] = [];
  const next = divisions.map((division): Division => {
    const rate = usage.get(division.prefix) ?? 0;
    if (!isOwn(division) || rate <= limit) return division;
    const reason = `${division.prefix} carries ${mbps(rate)}, no longer little: it moves alone`;
    changes.push({ kind: 'part', blocks: [division.prefix], reason, gain: 0 });
    return { prefix: division.prefix };
  });
  return { divisions: next, changes };
};

/** Light blocks that come in by the same link and are steered alike fill groups up to what one block may carry. */
const mergeLight: Step = ({ configured, usage, state, regroup: rules }, divisions) => {
  const light = rules.light * totalOf(usage);
  if (light <= 0) return { divisions, changes: [] };
  const named = new Set(configured.flatMap(({ group }) => (group === undefined ? [] : [group])));
  const plan = new Map(state.plan.blocks.map((entry) => [entry.block, entry]));
  const mainLink = mainLinks(state);
  const alike = ({ prefix }: Division): string => {
    const entry = plan.get(prefix);
    return entry?.link === undefined ? `any ${mainLink(prefix)}` : `${entry.link} ${entry.rung}`;
  };
  const groups = new Map<string, { rate: number; key: string; count: number }>();
  for (const division of divisions) {
    if (!isOwn(division)) continue;
    const own = groups.get(division.group ?? '') ?? { rate: 0, key: alike(division), count: 0 };
    own.rate += usage.get(division.prefix) ?? 0;
    own.count++;
    groups.set(division.group ?? '', own);
  }
  const joined = new Map<string, PrefixText[]>();
  const next = divisions.map((division): Division => {
    // A half that was only just cut has not been counted yet.
    const rate = usage.get(division.prefix) ?? Number.POSITIVE_INFINITY;
    if (division.group !== undefined || rate > light) return division;
    const key = alike(division);
    const fitting = [...groups].find(([, own]) => own.key === key && own.rate + rate <= light * 2);
    const name = fitting?.[0] ?? freeName([...groups.keys(), ...named]);
    const own = fitting?.[1] ?? { rate: 0, key, count: 0 };
    own.rate += rate;
    own.count++;
    groups.set(name, own);
    joined.set(name, [...(joined.get(name) ?? []), division.prefix]);
    return { ...division, group: name };
  });
  // A group of one saves nothing.
  const kept = next.map((division): Division => {
    const name = division.group;
    const isLone = name !== undefined && joined.has(name) && groups.get(name)?.count === 1;
    return isLone ? { prefix: division.prefix } : division;
  });
  const changes = [...joined].flatMap(([name, blocks]): Regrouping[] => {
    if (groups.get(name)?.count === 1) return [];
    const reason = `${blocks.length} blocks that carry less than ${percent(rules.light)} of all traffic each move as ${name}: that many decisions less`;
    return [{ kind: 'merge', blocks, reason, gain: 0 }];
  });
  return { divisions: kept, changes };
};

/** The heaviest member of a group of ours that has grown too heavy goes to the lightest of its kind. */
const moveBetween: Step = (input, divisions) => {
  const { usage, state, regroup: rules } = input;
  const limit = partAbove * rules.light * totalOf(usage);
  const sums = new Map<string, { rate: number; members: Division[] }>();
  for (const division of divisions) {
    if (!isOwn(division)) continue;
    const own = sums.get(division.group ?? '') ?? { rate: 0, members: [] };
    own.rate += usage.get(division.prefix) ?? 0;
    own.members.push(division);
    sums.set(division.group ?? '', own);
  }
  const mainLink = mainLinks(state);
  const changes: Regrouping[] = [];
  let present = [...divisions];
  for (const [name, { rate, members }] of sums) {
    if (rate <= limit || members.length < 3) continue;
    const rateOf = ({ prefix }: Division) => usage.get(prefix) ?? 0;
    const heaviest = members.reduce((a, b) => (rateOf(b) > rateOf(a) ? b : a));
    const link = mainLink(heaviest.prefix);
    const target = [...sums]
      .filter(
        ([other, { members: there }]) =>
          other !== name && mainLink(there[0]?.prefix ?? heaviest.prefix) === link,
      )
      .sort((a, b) => a[1].rate - b[1].rate)[0];
    if (!target || target[1].rate + rateOf(heaviest) > rate - rateOf(heaviest)) continue;
    const next = present.map((division) =>
      division.prefix === heaviest.prefix ? { ...division, group: target[0] } : division,
    );
    const gain = gainOf(input, present, next, usage);
    if (gain < leastGain) continue;
    present = next;
    const reason = `${heaviest.prefix} leaves ${name}, which carries ${mbps(rate)}, for ${target[0]}`;
    changes.push({ kind: 'move', blocks: [heaviest.prefix], reason, gain });
  }
  return { divisions: present, changes };
};

/** The memory of a decision for blocks that were cut or joined: what takes the place of a block takes after it. */
export function redivide(state: State, divisions: readonly Division[], at: Ms): State {
  const wanted = new Set(divisions.map(({ prefix }) => prefix));
  const known = new Set(state.plan.blocks.map(({ block }) => block));
  const planned = new Map(state.plan.blocks.map((entry) => [entry.block, entry]));
  const blocks: Record<string, BlockState> = {};
  const plan: BlockPlan[] = [];
  for (const { prefix } of divisions) {
    const from = known.has(prefix) || state.blocks[prefix] ? prefix : relativeOf(prefix, known);
    const own = from === undefined ? undefined : state.blocks[from];
    const entry = from === undefined ? undefined : planned.get(from);
    // What is announced under a new name rests like what was changed: nothing is known of it alone yet.
    const changes = from === prefix ? own?.changes : [...(own?.changes ?? []), at];
    if (own) blocks[prefix] = { ...own, changes: changes ?? [] };
    if (entry) plan.push({ ...entry, block: prefix });
  }
  return {
    ...state,
    blocks,
    plan: { ...state.plan, generation: state.plan.generation + 1, at, blocks: plan.sort(byBlock) },
    pending: state.pending.filter(({ block }) => wanted.has(block)),
  };
}

/** The known block that a new one is a half of, or one of its halves. */
function relativeOf(prefix: PrefixText, known: ReadonlySet<PrefixText>): PrefixText | undefined {
  for (let at = parentOf(prefix), depth = 0; depth < mostHalvings; at = parentOf(at), depth++)
    if (known.has(at)) return at;
  let halves: readonly PrefixText[] = [prefix];
  for (let depth = 0; depth < 4; depth++) {
    halves = halves.flatMap(halvesOf);
    const found = halves.find((half) => known.has(half));
    if (found !== undefined) return found;
  }
  return undefined;
}

const byBlock = (a: BlockPlan, b: BlockPlan): number => (a.block < b.block ? -1 : 1);

/** By how much the best assignment of all groups becomes cheaper, as a share of its value. */
function gainOf(
  { policy, state }: RegroupInput,
  before: readonly Division[],
  after: readonly Division[],
  usage: ReadonlyMap<PrefixText, number>,
): number {
  const was = assign(problemOf(before, usage, policy, state)).value;
  const is = assign(problemOf(after, usage, policy, state)).value;
  return was > 0 ? (was - is) / was : 0;
}

function problemOf(
  divisions: readonly Division[],
  usage: ReadonlyMap<PrefixText, number>,
  policy: Policy,
  state: State,
): AssignProblem {
  const links = [...policy.links].sort((a, b) => (a.link < b.link ? -1 : 1));
  const rates = new Map<string, { rate: number; first: PrefixText }>();
  for (const { prefix, group } of divisions) {
    const name = group ?? prefix;
    const own = rates.get(name) ?? { rate: 0, first: prefix };
    // A half that is not counted yet has its guess; a block that is cut has nothing of its own.
    own.rate += usage.get(prefix) ?? 0;
    rates.set(name, own);
  }
  const groups = [...rates].sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([, own]) => own);
  const mainLink = mainLinks(state);
  const indexOf = new Map(links.map(({ link }, i) => [link as string, i]));
  return {
    capacity: Float64Array.from(links, ({ capacity }) => capacity),
    base: new Float64Array(links.length),
    demand: Float64Array.from(groups, ({ rate }) => rate),
    home: Int32Array.from(groups, ({ first }) => indexOf.get(mainLink(first)) ?? -1),
    moveFixed: 0,
    movePerUnit: policy.moveCost,
    steps: loadSteps(policy.objective, policy.rails.high),
  };
}

/** Where a block, or the one that it is a half of, is steered to, else where it mostly comes in by itself. */
function mainLinks({ plan, blocks }: State): (prefix: PrefixText) => string {
  const planned = new Map(plan.blocks.map(({ block, link }) => [block, link]));
  return (prefix) => {
    for (let at = prefix, depth = 0; depth < mostHalvings; at = parentOf(at), depth++) {
      const link = planned.get(at);
      if (link !== undefined) return link;
      const shares = Object.entries(blocks[at]?.baseline ?? {});
      if (shares.length > 0) return shares.reduce((a, b) => (b[1] > a[1] ? b : a))[0];
    }
    return '';
  };
}

const isOwn = ({ group }: Division): boolean => group !== undefined && lightName.test(group);

function freeName(taken: readonly string[]): string {
  for (let i = 1; ; i++) if (!taken.includes(`light-${i}`)) return `light-${i}`;
}

function halvesOf(prefix: PrefixText): readonly [low: PrefixText, high: PrefixText] {
  const whole = prefixOf(prefix);
  const [low, high] = dividePrefix(whole, whole.length + 1).map(formatPrefix);
  return [low ?? prefix, high ?? prefix];
}

function parentOf(prefix: PrefixText): PrefixText {
  const { family, bytes, length } = prefixOf(prefix);
  return formatPrefix(makePrefix(family, bytes, Math.max(0, length - 1)));
}

const smallestLink = ({ links }: Policy): number =>
  Math.min(...links.map(({ capacity }) => capacity));

const totalOf = (usage: ReadonlyMap<PrefixText, number>): number =>
  [...usage.values()].reduce((a, b) => a + b, 0);

const inOrder = (divisions: readonly Division[]): Division[] =>
  [...divisions].sort((a, b) => comparePrefixes(prefixOf(a.prefix), prefixOf(b.prefix)));

const mbps = (rate: number): string => `${(rate / 1e6).toFixed(1)} Mb/s`;
const percent = (share: number): string => `${Number((share * 100).toPrecision(2))} %`;
