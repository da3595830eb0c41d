/** Faults in random sequence, from a seed, in one lab that goes on from sequence to sequence. */

import { seeded } from '../../../src/core/simulate/random.ts';
import { unitsTimes } from '../../../src/lab/units-settings.ts';
import { type Injected, type UnitFault, unitFaults } from './faults.ts';
import type { UnitsStage } from './stage.ts';
import { stamp } from './watch.ts';

/** A new leader, two cycles, and a message's way on a machine with other things to do. */
const oneAfterMs = 2 * unitsTimes.leaseMs + 2 * unitsTimes.cycleMs + 3000;
/** Long enough for a unit that is cut off to let go, and for the others to go on without it. */
const longestMs = 2 * unitsTimes.silentMs + unitsTimes.holdMs + 2000;
/** NATS itself takes up to a minute at times. */
const healedWithinMs = 180_000;
const shiftEveryMs = 4000;

export interface SequenceOutcome {
  readonly faults: readonly string[];
  /** What was wrong, in words. */
  readonly wrong: readonly string[];
  /** From when all is healed (processes run, sessions stand, NATS has its quorum) until all go by one plan. */
  readonly oneAfterMs: number;
}

/** Throws when the lab does not heal at all. */
export async function playSequence(stage: UnitsStage, seed: number): Promise<SequenceOutcome> {
  const random = seeded(seed);
  const faults: string[] = [];
  const before = stage.watch.faults.length;
  let phase = Math.floor(random() * 5);
  const shifting = setInterval(() => stage.demand(phase++), shiftEveryMs);
  try {
    const count = 1 + Math.floor(random() * 2);
    for (let i = 0; i < count; i++) {
      const leader = await stage.leader();
      const pick = (): string => stage.names[Math.floor(random() * 3)] ?? 'west';
      // The leader is the one whose faults are worth most.
      const unit = random() < 0.5 && leader !== undefined ? leader : pick();
      const injected = [await inject(stage, unit, oneOf(unitFaults, random), faults)];
      await pause(random() * random() * longestMs);
      if (random() < 0.3) {
        const other = stage.names[(stage.names.indexOf(unit) + 1) % 3] ?? unit;
        injected.push(await inject(stage, other, oneOf(unitFaults, random), faults));
        await pause((random() * random() * longestMs) / 2);
      }
      for (const { heal } of injected) await heal();
      faults.push(`${stamp()} healed`);
      await pause(random() * 2000);
    }
    const took = await untilOneAfterHealing(stage);
    const wrong = stage.watch.faults.slice(before);
    if (took > oneAfterMs)
      wrong.push(`one plan only ${took} ms after healing\n${await stage.eventCounts()}`);
    return { faults, wrong, oneAfterMs: took };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`seed ${seed}: ${reason}\n${faults.join('\n')}`);
  } finally {
    clearInterval(shifting);
  }
}

async function inject(
  stage: UnitsStage,
  unit: string,
  fault: UnitFault,
  faults: string[],
): Promise<Injected> {
  const injected = await fault(stage, unit);
  faults.push(`${stamp()} ${injected.what}`);
  return injected;
}

/** Milliseconds from healed to one plan; NATS may begin to vote again after it was well, which is not the units' time. */
export async function untilOneAfterHealing(stage: UnitsStage): Promise<number> {
  const deadline = Date.now() + healedWithinMs;
  while (!(await isHealed(stage))) {
    if (Date.now() > deadline) throw new Error(`not healed in time: ${await picture(stage)}`);
    await pause(200);
  }
  let from = Date.now();
  stage.watch.healed();
  while (!(await stage.isOne())) {
    if (Date.now() > deadline) throw new Error(`no one plan in time: ${await picture(stage)}`);
    await pause(100);
    if (!(await stage.nats.canWrite())) from = Date.now();
  }
  stage.watch.healed();
  return Date.now() - from;
}

async function isHealed(stage: UnitsStage): Promise<boolean> {
  const [views, isWell] = await Promise.all([stage.statuses(stage.names), stage.nats.isWell()]);
  return (
    isWell &&
    views.every(
      (view) =>
        view?.cluster?.is_connected === true &&
        view.routers.every(({ phase }) => phase === 'established'),
    )
  );
}

async function picture(stage: UnitsStage): Promise<string> {
  const views = await stage.statuses(stage.names);
  const units = views.map((view, i) => {
    const { leader, standing, is_connected, plan } = view?.cluster ?? {};
    const phases = view?.routers.map(({ phase }) => phase).join(' ');
    const name = stage.names[i] ?? '';
    return `${name}: ${standing} by ${leader}, connected ${is_connected}, plan ${JSON.stringify(plan)}, ${phases}\n${stage.lastLog(name)}\n`;
  });
  return [...units, `NATS well: ${await stage.nats.isWell()}`].join('; ');
}

const oneOf = <T>(all: readonly [T, ...T[]] | readonly T[], random: () => number): T => {
  const one = all[Math.floor(random() * all.length)];
  if (one === undefined) throw new Error('none to choose from');
  return one;
};

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
