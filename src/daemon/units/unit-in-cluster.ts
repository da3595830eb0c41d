/** What joins a unit with the others when it is one of several. */
import type { Answer } from '../../control/index.ts';
import { covers, prefixOf } from '../../core/base/prefix.ts';
import { ok } from '../../core/base/result.ts';
import type { LinkObservation, Observation } from '../../core/model/observation.ts';
import type { Settings } from '../../core/settings/index.ts';
import type { EngineSnapshot } from '../../engine/index.ts';
import type { Memory } from '../../history/index.ts';
import type { SessionStatus, Speaker } from '../../speaker/index.ts';
import type { Loop } from '../loop.ts';
import type { ConfiguredRouters } from '../routes/configured.ts';
import { unitViews } from './cluster-views.ts';
import type { Joined } from './join.ts';
import { type Joint, memoryOf, type UnitSummary } from './joint.ts';
import { oneFace } from './one-face.ts';
import { noOrders, type Orders } from './orders.ts';

/**
 * What a unit goes by at its start: the plan in force of all. Else what it remembers itself, of which it announces
 * nothing before it leads or hears of a plan (`Joint.attach`).
 */
export function initialOf(remembered: Memory, joint: Joint | undefined, mode: string): Memory {
  const stored = joint?.stored;
  if (!stored) return remembered;
  const { state, inForce } = memoryOf(stored);
  const { inForce: own, ...rest } = remembered;
  return { ...rest, state, ...(inForce && mode !== 'observe' ? { inForce } : {}) };
}

/** What operators took back, as the loop has it. */
export const ordersHere = ({ isWithdrawn, withheld }: Loop): Omit<Orders, 'serial'> => ({
  isWithdrawn,
  withheld: [...withheld].sort(),
});

/** Carries out here what was ordered elsewhere; `at` is the network's time. */
export function carryOutOrders(
  orders: Orders,
  loop: Loop,
  {
    speaker,
    configured,
  }: {
    readonly speaker: Pick<Speaker, 'withdrawAll' | 'resume'> | undefined;
    readonly configured: Pick<ConfiguredRouters, 'hold'> | undefined;
  },
  at: number,
): void {
  const wanted = new Set(orders.withheld);
  const isLess = [...loop.withheld].some((block) => !wanted.has(block));
  if ((loop.isWithdrawn && !orders.isWithdrawn) || isLess) {
    loop.resume();
    if (!loop.isAside) {
      speaker?.resume();
      configured?.hold(false);
    }
  }
  if (orders.isWithdrawn && !loop.isWithdrawn) {
    loop.withdraw(at, undefined);
    speaker?.withdrawAll();
    configured?.hold(true);
  }
  const more = orders.withheld.filter((block) => !loop.withheld.has(block));
  if (more.length > 0) loop.withdraw(at, more);
}

/** The commands of one of several units: its own answers for the others, and a face that is the same at all. */
export function facesOf(
  { joint, answers: forOthers }: Joined,
  answers: Map<string, Answer>,
  loop: Loop,
): void {
  answers.set('units', () => ok(unitViews(joint)));
  for (const [command, answer] of answers) forOthers.set(command, answer);
  const face = oneFace({ joint, answers: forOthers, ordersHere: () => ordersHere(loop) });
  for (const [command, answer] of face) answers.set(command, answer);
}

export const ordersIn = ({ isWithdrawn, withheld = [], ordersSerial = 0 }: Memory): Orders => ({
  ...noOrders,
  serial: ordersSerial,
  isWithdrawn,
  withheld: [...withheld].sort(),
});

export interface SummaryInput {
  readonly unit: string;
  readonly settings: Settings;
  readonly snapshot: EngineSnapshot | undefined;
  readonly sessions: readonly SessionStatus[];
  readonly refused: number;
}

export function summaryOf({
  unit,
  settings,
  snapshot,
  sessions,
  refused,
}: SummaryInput): UnitSummary {
  const wires = snapshot?.wires ?? [];
  const portion = settings.cluster?.units.find(({ name }) => name === unit)?.portion?.map(prefixOf);
  const outbound = { portion: 0, others: 0 };
  for (const { block, direction, l2Bytes } of snapshot?.blocks ?? []) {
    if (direction !== 'outbound') continue;
    const isOurs = portion?.some((part) => covers(part, prefixOf(block))) ?? true;
    outbound[isOurs ? 'portion' : 'others'] += l2Bytes;
  }
  return {
    wires: {
      forwarding: wires.filter(({ state }) => state === 'forwarding').length,
      all: wires.length,
    },
    routers: {
      established: sessions.filter(({ phase }) => phase === 'established').length,
      all: sessions.length,
    },
    refused,
    outbound,
  };
}

/** An observation with what the plan in force tells of links that are not this unit's. */
export function withLinks(own: Observation, links: readonly LinkObservation[]): Observation {
  const known = new Set(own.links.map(({ link }) => link));
  return { ...own, links: [...own.links, ...links.filter(({ link }) => !known.has(link))] };
}
