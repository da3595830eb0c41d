/**
 * The loop as a test drives it: an overload of north, its relief, shifts of the load. Judged by the receivers,
 * the kernel's interface counters and the routers, not by the unit's own words.
 */
import type { Test } from 'tap';
import { borderPolicy } from '../../src/cli/lab/policy.ts';
import type { UnitMove } from '../../src/cli/lab/summary.ts';
import { startUnit, type Unit, type UnitChanges } from '../../src/cli/lab/unit.ts';
import {
  createMeter,
  demandOf,
  dwellMs,
  type Lab,
  type LabShape,
  type Meter,
  type Mode,
  openLab,
  startTraffic,
  stubbornShares,
  type Traffic,
} from '../../src/lab/index.ts';
import { closeLab } from '../../src/lab/lab.ts';
import { waitFor } from './lab.ts';

/** A link above this share of its capacity is full. */
export const full = 0.95;

export interface Stage {
  readonly lab: Lab;
  readonly unit: Unit;
  readonly traffic: Traffic;
  readonly meter: Meter;
  readonly forwardingBefore: readonly string[];
}

/**
 * `alsoHolds`: what else must be true of the unit at the end, before it is stopped. `favoured`: how many
 * shifts are to blocks that come in by north; another is to sources that move hard.
 */
export async function driveLoop(
  t: Test,
  shape: LabShape,
  favoured: 1 | 2,
  alsoHolds: (t: Test, live: Stage) => Promise<void>,
): Promise<void> {
  const live = await openStage(t, shape, 'control');
  const { lab, unit, traffic, meter, forwardingBefore } = live;
  // Held back until the overload has been seen for a while: what is compared with must not be a passing moment.
  await unit.ask('withdraw', { all: true });
  traffic.setDemand(demandOf(lab.topology));
  await waitFor('north is overloaded for three seconds', 60_000, async () => {
    await meter.sample();
    return isOverloaded(meter);
  });
  const before = meter.last(3)?.goodputBitps ?? 0;
  t.ok(before < 40e6, `the receivers get ${mbps(before)} of 62 Mbit/s at first`);
  await unit.ask('resume');

  await relieved(t, live, 'the first overload', 1.4 * before);
  for (const name of ['first', 'second'].slice(0, favoured)) {
    const blocks = await blocksByNorth(unit);
    // How many the unit left there is its own choice; with none left the load stays as it is.
    t.comment(`${blocks.length} blocks still come in by north`);
    traffic.setDemand(demandOf(lab.topology, { favoured: { blocks, share: 0.75 } }));
    await relieved(t, live, `the ${name} shift, to blocks that come in by north`, 1.4 * before);
  }
  traffic.setDemand(demandOf(lab.topology, { sources: stubbornShares }));
  await relieved(t, live, 'the last shift, to sources that move hard', 1.4 * before);

  const { moves } = await unit.view();
  t.ok(moves.length > 0, `${moves.length} moves`);
  judgeMoves(t, moves);
  for (const [i, router] of lab.topology.routers.entries()) {
    t.equal(
      await lab.forwarding(router.name),
      forwardingBefore[i],
      `${router.name} forwards as before`,
    );
  }
  await alsoHolds(t, live);
  t.equal(await unit.stop(), 0, 'SIGTERM ends it cleanly');
}

/**
 * North was full for the last three seconds. A machine that stands still now and then fills no link by 95 %: there north
 * is overloaded when its shaper has gone on dropping for ten seconds, by which time streams have long found their rates.
 */
export function isOverloaded(meter: Meter): boolean {
  const [shortly, long] = [meter.last(3), meter.last(10)];
  const north = shortly?.links[0];
  if (!shortly || !long || !north || shortly.seconds <= 2.5) return false;
  return north.load > full || (long.seconds > 9 && north.dropped > 0);
}

/** Waits until no link is full for four seconds and the receivers get what they should, seen by no word of the unit. */
async function relieved(t: Test, live: Stage, what: string, goodputBitps: number): Promise<void> {
  const { meter } = live;
  const began = Date.now();
  let worst = 0;
  await waitFor(`relief of ${what}`, 90_000, async () => {
    await meter.sample();
    worst = Math.max(worst, ...(meter.last(2)?.links.map((link) => link.load) ?? []));
    const reading = meter.last(4);
    // A whole window once streams have followed the shift, so that what came before does not count.
    if (!reading || Date.now() < began + 6000) return false;
    return reading.links.every((link) => link.load <= full) && reading.goodputBitps >= goodputBitps;
  });
  const reading = meter.last(4);
  const loads = reading?.links.map((link) => `${link.name} ${percent(link.load)}`).join(', ');
  t.pass(
    `${what}: worst ${percent(worst)}, after ${((Date.now() - began) / 1000).toFixed(0)} s ${loads}, goodput ${mbps(reading?.goodputBitps ?? 0)}`,
  );
}

async function blocksByNorth(unit: Unit): Promise<string[]> {
  const { blocks } = await unit.view();
  return blocks.filter(({ link }) => link !== 'south').map(({ prefix }) => prefix);
}

/** Lab, unit and traffic, taken down with the test in reverse order. */
export async function openStage(
  t: Test,
  shape: LabShape,
  mode: Mode,
  changes: (lab: Lab) => UnitChanges = () => ({}),
  prefix = `hgloop-${shape.place}`,
): Promise<Stage> {
  const lab = await openLab({ shape, policy: borderPolicy, prefix });
  t.teardown(() => closeLab(prefix));
  const unit = await startUnit(lab, mode, undefined, changes(lab));
  t.teardown(() => unit.stop());
  await lab.waitForRoutes(60_000);
  const forwardingBefore = await Promise.all(
    lab.topology.routers.map((router) => lab.forwarding(router.name)),
  );
  const traffic = await startTraffic(lab);
  t.teardown(() => traffic.stop());
  return { lab, unit, traffic, meter: createMeter(lab, traffic), forwardingBefore };
}

/** No block changes its link twice within its dwell time, nor goes back to where it came from. */
function judgeMoves(t: Test, moves: readonly UnitMove[]): void {
  const changes = moves.filter((move) => move.from !== move.to);
  for (const [i, move] of changes.entries()) {
    const earlier = changes.slice(0, i).filter((other) => other.block === move.block);
    for (const other of earlier) {
      const apart = `${move.block}: ${((move.at - other.at) / 1000).toFixed(1)} s after its last move`;
      t.ok(move.at - other.at >= dwellMs, apart);
      t.notOk(move.to === other.from && move.from === other.to, `${move.block} went back`);
    }
  }
}

const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
const mbps = (bitps: number) => (bitps / 1e6).toFixed(1);
