/** What happens to several units by name, each judged at the routers and the receivers. */
import type { Test } from 'tap';
import type { ExplainView, MoveView, PlanView, UnitView } from '../../../src/control/index.ts';
import { unitsTimes } from '../../../src/lab/units-settings.ts';
import { waitFor } from '../../support/lab.ts';
import { killed, natsNodeLost, parted, quorumLost, restarted, stopped } from './faults.ts';
import { pause, untilOneAfterHealing } from './random-faults.ts';
import type { UnitsStage } from './stage.ts';

/** Generous: a busy machine may make any of these waits long. */
const waitMs = 60_000;
const { leaseMs, silentMs, holdMs, dwellMs } = unitsTimes;
/** Looks, and a machine with other things to do. */
const slackMs = 4000;

export type Scenario = (t: Test, stage: UnitsStage) => Promise<void>;

/** Everything that the watch holds against the routers since then. */
const heldAgainst = (stage: UnitsStage): (() => readonly string[]) => {
  const before = stage.watch.faults.length;
  return () => stage.watch.faults.slice(before);
};

export async function leaderOf(stage: UnitsStage): Promise<string> {
  let leader: string | undefined;
  await waitFor('all name one leader', waitMs, async () => {
    leader = await stage.leader();
    return leader !== undefined;
  });
  return leader ?? '';
}

/** Nothing has changed at any router for longer than anything is settled. */
async function untilSteady(stage: UnitsStage, ms: number): Promise<string> {
  let [text, since] = [stage.watch.steering, Date.now()];
  await waitFor('the routers are left alone', waitMs, async () => {
    if (stage.watch.steering !== text) [text, since] = [stage.watch.steering, Date.now()];
    return Date.now() - since > ms && (await stage.isOne());
  });
  return text;
}

async function untilAnotherLeads(stage: UnitsStage, gone: string): Promise<string> {
  let leader: string | undefined;
  await waitFor('another leads', waitMs, async () => {
    leader = await stage.leader(stage.running);
    return leader !== undefined && leader !== gone;
  });
  return leader ?? '';
}

async function heals(t: Test, stage: UnitsStage, against: () => readonly string[]): Promise<void> {
  const took = await untilOneAfterHealing(stage);
  t.comment(`one plan ${took} ms after healing`);
  t.same(against(), [], 'no contradiction, no flap, no black hole');
}

export const leaderKilled: Scenario = async (t, stage) => {
  const against = heldAgainst(stage);
  const leader = await leaderOf(stage);
  const before = stage.watch.steering;
  const from = Date.now();
  const { heal } = await killed(stage, leader);
  await untilAnotherLeads(stage, leader);
  const took = Date.now() - from;
  t.comment(`takeover after ${took} ms, lease ${leaseMs} ms`);
  t.ok(took <= 2 * leaseMs + slackMs, `another leads after ${took} ms`);
  t.equal(stage.watch.steering, before, 'every router carries what it carried');
  await heal();
  await heals(t, stage, against);
  t.equal(stage.watch.steering, before, 'also when the dead one is back');
};

export const leaderStopped: Scenario = async (t, stage) => {
  const against = heldAgainst(stage);
  const leader = await leaderOf(stage);
  const { heal } = await stopped(stage, leader);
  const next = await untilAnotherLeads(stage, leader);
  const fence = (await stage.statuses([next]))[0]?.cluster?.plan?.fence ?? 0;
  await pause(silentMs);
  await heal();
  await heals(t, stage, against);
  const [view] = await stage.statuses([leader]);
  t.ok((view?.cluster?.plan?.fence ?? 0) >= fence, 'it goes by a plan of its successor');
};

/** Cut off for so long that it holds, and nothing else. */
export const partedShortly: Scenario = async (t, stage) => {
  const against = heldAgainst(stage);
  const leader = await leaderOf(stage);
  const before = await untilSteady(stage, 2 * dwellMs);
  const { heal } = await parted(stage, leader);
  const others = stage.names.filter((name) => name !== leader);
  await waitFor('the one cut off holds its plan', waitMs, async () => {
    const [view] = await stage.statuses([leader]);
    return view?.cluster?.standing === 'holding' && view.cluster.leader === null;
  });
  await waitFor('the others leave its blocks alone', waitMs, async () => {
    const views = await stage.statuses(others);
    return views.every((view) => view?.cluster?.frozen.includes(leader));
  });
  t.equal(stage.watch.steering, before, 'nothing changes at any router');
  await heal();
  await heals(t, stage, against);
};

/** Cut off for so long that it lets go, and the others go on without its links. */
export const partedLong: Scenario = async (t, stage) => {
  const against = heldAgainst(stage);
  const unit = await leaderOf(stage);
  const { router } = stage.siteOf(unit);
  const from = Date.now();
  const { heal } = await parted(stage, unit);
  await waitFor('it returns to plain BGP', silentMs + holdMs + waitMs, () => {
    return stage.watch.tables.get(router)?.size === 0;
  });
  const letGoMs = Date.now() - from;
  t.ok(letGoMs >= holdMs, `it let go after ${letGoMs} ms, not before its hold time`);
  const others = stage.names.filter((name) => name !== unit);
  await waitFor('the others leave its links out', waitMs, async () => {
    const views = await stage.statuses(others);
    const areWithout = views.every((view) => view?.cluster?.gone.includes(unit));
    return areWithout && (await stage.leader(others)) !== undefined;
  });
  t.ok(Date.now() - from >= letGoMs, 'not before it had let go');
  await heal();
  await heals(t, stage, against);
};

export const natsNode: Scenario = async (t, stage) => {
  const against = heldAgainst(stage);
  const leader = await leaderOf(stage);
  const { heal } = await natsNodeLost(stage, leader);
  await waitFor('all are connected and led', waitMs, async () => {
    const views = await stage.statuses();
    return (
      views.every((view) => view?.cluster?.is_connected) && (await stage.leader()) !== undefined
    );
  });
  await heal();
  await heals(t, stage, against);
};

/** Nobody decides; all hold, say so, and go on as if nothing had been. */
export const quorumShortly: Scenario = async (t, stage) => {
  const against = heldAgainst(stage);
  await leaderOf(stage);
  const before = await untilSteady(stage, 2 * dwellMs);
  const seen = new Set<string>();
  stage.watch.onLook = () => seen.add(stage.watch.steering);
  const { heal } = await quorumLost(stage, 'mid');
  await waitFor('all hold the plan', waitMs, async () => {
    const views = await stage.statuses();
    return views.every((view) => view?.cluster?.standing === 'holding');
  });
  await waitFor('status says so', waitMs, async () => {
    const [view] = await stage.statuses(['west']);
    return view?.reasons.some(({ what }) => /no leader is heard/.test(what)) === true;
  });
  const metrics = await stage.metrics('west');
  t.match(metrics, /headgate_cluster_standing\{standing="holding"\} 1/, 'and the metrics');
  await heal();
  await heals(t, stage, against);
  stage.watch.onLook = () => undefined;
  t.same([...seen], [before], 'the routers noticed nothing, also when it was back');
};

/** All return to plain BGP; the aggregates carry everything meanwhile. */
export const quorumLong: Scenario = async (t, stage) => {
  const against = heldAgainst(stage);
  const { heal } = await quorumLost(stage, 'west');
  const from = Date.now();
  await waitFor('all return to plain BGP', silentMs + holdMs + waitMs, () =>
    [...stage.watch.tables.values()].every((table) => table.size === 0),
  );
  t.ok(Date.now() - from >= holdMs, 'not before the hold time');
  await heal();
  await heals(t, stage, against);
};

/** Blocks move all the time; a unit ends and begins in the moment that a router hears of it. */
export const restartedInAMove: Scenario = async (t, stage) => {
  const against = heldAgainst(stage);
  let phase = 0;
  const shifting = setInterval(() => stage.demand(phase++), 3000);
  try {
    for (const fault of [restarted, killed]) {
      const leader = await leaderOf(stage);
      const unit = stage.names.find((name) => name !== leader) ?? '';
      const { changes } = stage.watch.figures;
      await waitFor('a block moves', waitMs, () => stage.watch.figures.changes > changes);
      const { heal, what } = await fault(stage, unit);
      t.comment(what);
      await heal();
      await untilOneAfterHealing(stage);
    }
  } finally {
    clearInterval(shifting);
    stage.demand(0);
  }
  await heals(t, stage, against);
};

/** Commands at a unit that does not lead. */
export const orders: Scenario = async (t, stage) => {
  const leader = await leaderOf(stage);
  const [one = '', other = ''] = stage.names.filter((name) => name !== leader);
  const units = await stage.ask<readonly UnitView[]>(one, 'units');
  t.same(
    units?.map(({ name, state }) => `${name} ${state}`).sort(),
    ['east live', 'mid live', 'west live'],
    'units',
  );
  const links = await stage.ask<ReadonlyArray<{ readonly name: string }>>(one, 'links');
  t.same(
    links?.map(({ name }) => name).sort(),
    ['coast', 'hill', 'north', 'south'],
    'links of the whole',
  );
  const own = await stage.ask<ReadonlyArray<{ readonly name: string }>>(one, 'links', {
    unit: 'mid',
  });
  t.same(
    own?.filter(({ name }) => name === 'coast').length,
    1,
    'links of one unit, asked at another',
  );
  const { prefix = '' } = stage.lab.topology.blocks[0] ?? {};
  const told = await stage.ask<ExplainView>(one, 'explain', { prefix });
  t.same(
    [...new Set(told?.candidates.flatMap(({ link }) => link ?? []))].sort(),
    ['coast', 'hill', 'north', 'south'],
    'explain knows what only the one that decides has weighed',
  );
  t.match(await stage.ask(one, 'withdraw', { all: true }), { withdrawn: 'all', unreached: [] });
  await waitFor('no router hears anything', waitMs, () =>
    [...stage.watch.tables.values()].every((table) => table.size === 0),
  );
  t.ok(await stage.ask(other, 'resume'), 'resume at another');
  await waitFor('all is announced again', waitMs, () => stage.isOne());
};

/** Mode `advise`: nothing is announced before an approval, which any unit takes. */
export const approval: Scenario = async (t, stage) => {
  const leader = await leaderOf(stage);
  const [one = '', other = ''] = stage.names.filter((name) => name !== leader);
  let moves: readonly MoveView[] = [];
  let id = '';
  await waitFor('a proposal', waitMs, async () => {
    const plan = await stage.ask<PlanView>(one, 'plan');
    ({ id = '', moves = [] } = plan?.proposal ?? {});
    return id !== '';
  });
  t.ok(moves.length > 0, `${moves.length} moves wait`);
  t.ok(
    [...stage.watch.tables.values()].every((table) => table.size === 0),
    'no router hears anything before',
  );
  t.ok(await stage.ask(one, 'approve', { id }), 'approved at a unit that does not lead');
  await waitFor('every router hears it', waitMs, () => stage.isOne());
  const [block = ''] = [...(stage.watch.tables.get('br1')?.keys() ?? [])];
  t.match(await stage.ask(other, 'withdraw', { prefixes: [block] }), { unreached: [] });
  await waitFor(
    'that block is gone from every router, the others stay',
    waitMs,
    async () =>
      [...stage.watch.tables.values()].every((table) => !table.has(block) && table.size > 0) &&
      (await stage.watch.areEqual()),
  );
  t.pass('withdrawn at another');
};
