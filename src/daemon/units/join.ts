/** Opens this unit's place among several. */
import { openCluster } from '../../cluster/index.ts';
import type { Answer } from '../../control/index.ts';
import type { Settings } from '../../core/settings/index.ts';
import { type Clock, every } from '../clock.ts';
import type { Log } from '../log.ts';
import { Joint } from './joint.ts';
import { answerUnit } from './one-face.ts';

/** Until it knows the plan in force, a unit that begins leaves its routers with what they kept of it: no longer than this. */
const readyMsMin = 3000;
/** Looks between cycles whether this unit is still led, by lease. */
const looksPerLease = 4;

export interface Joined {
  readonly joint: Joint;
  /** What this unit itself answers, for the others; filled by the unit. */
  readonly answers: Map<string, Answer>;
  close(): Promise<void>;
}

/** Throws HeadgateError `unauthenticated`. */
export async function joinUnits(
  settings: Settings,
  unit: string,
  parts: {
    readonly clock: Clock;
    readonly log: Log;
    readonly openCluster?: typeof openCluster;
  },
): Promise<Joined | undefined> {
  const { cluster: asked } = settings;
  if (!asked) return undefined;
  const { clock, log } = parts;
  const answers = new Map<string, Answer>();
  const { lease, silent, hold, network, servers, replicas, credentials, nkey, tls } = asked;
  const cluster = (parts.openCluster ?? openCluster)({
    network,
    unit,
    units: asked.units.map(({ name }) => name),
    servers,
    replicas,
    ...(credentials === undefined ? {} : { credentials }),
    ...(nkey === undefined ? {} : { nkey }),
    ...(tls === undefined ? {} : { tls }),
    leaseMs: lease,
    silentMs: silent,
    holdMs: hold,
    clock,
    onPlan: (plan) => joint.onPlan(plan),
    onDoubt: (plan) => joint.onDoubt(plan),
    onCommand: (body) => answerUnit({ joint, answers }, body),
    onEvent: (event) => {
      if (event.kind === 'not_connected' || event.kind === 'refused_message')
        log.warn({ why: event.reason }, `units: ${event.kind.replace('_', ' ')}`);
      else log.info({}, `units: ${event.kind.replaceAll('_', ' ')}`);
    },
  });
  const joint = new Joint({ cluster, settings, clock, log });
  const stopLooking = every(clock, lease / looksPerLease, () => joint.look());
  await cluster.ready(readyMsOf(lease));
  return {
    joint,
    answers,
    close: async () => {
      stopLooking();
      await cluster.stop();
    },
  };
}

/** By then another leads where the one that began anew did. */
export const readyMsOf = (leaseMs: number): number => Math.max(readyMsMin, 2 * leaseMs);
