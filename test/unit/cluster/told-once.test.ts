/** A leader decides once and no more: whatever the others miss of what it says, all go by the same plan soon after. */
import fc from 'fast-check';
import t from 'tap';
import { type Cluster, openClusterOver, type PlanMark } from '../../../src/cluster/index.ts';
import { passive } from '../../support/cluster.ts';
import { randomOf } from '../../support/random.ts';
import {
  type SimulatedConnection,
  SimulatedNats,
  UnitClock,
  VirtualTime,
} from '../../support/simulated-nats.ts';

const leaseMs = 3000;
const units = ['west', 'mid', 'east'];

interface Unit {
  readonly cluster: Cluster;
  readonly clock: UnitClock;
  /** Undefined until it has connected. */
  readonly line: () => SimulatedConnection | undefined;
}

interface Fault {
  readonly seed: number;
  /** `cut`: its connection is lost; `still`: its process stands still. */
  readonly kind: 'cut' | 'still';
  readonly ofLeader: boolean;
  /** Milliseconds from when the plan is being published, to then. */
  readonly at: number;
  readonly lasts: number;
}

const faultOf = (ofLeader: boolean) =>
  fc.record<Fault>({
    seed: fc.integer({ min: 1, max: 2 ** 31 - 2 }),
    kind: fc.constantFrom('cut', 'still'),
    ofLeader: fc.constant(ofLeader),
    at: fc.integer({ min: 0, max: 200 }),
    lasts: fc.integer({ min: 1, max: 2 * leaseMs }),
  });

/** Three units, one of which leads, publish one plan while one of them has a fault; gives them soon after its end. */
async function afterFault({ seed, kind, ofLeader, at, lasts }: Fault) {
  const time = new VirtualTime();
  const nats = new SimulatedNats(time, randomOf(seed), leaseMs);
  const all = units.map((unit) => openUnit(unit, time, nats));
  const leader = () => all.find(({ cluster }) => cluster.isLeader());
  for (let waited = 0; !leader() && waited < 60_000; waited += 100) await time.advance(100);
  await time.advance(leaseMs);
  const first = leader();
  const published = first?.cluster.publishPlan({ seed }, units);
  const faulty = ofLeader ? first : all.find((unit) => unit !== first);
  await time.advance(at);
  if (kind === 'cut') faulty?.line()?.cut();
  else faulty?.clock.stop();
  await time.advance(lasts);
  if (kind === 'cut') faulty?.line()?.mend();
  else faulty?.clock.go();
  // A lease that ran out, and one in which whoever takes it says so.
  await time.advance(3 * leaseMs);
  const plans = all.map(({ cluster }) => cluster.plan());
  const isPublished = (await published)?.ok === true;
  const isStillLed = first !== undefined && leader() === first;
  for (const { cluster } of all) void cluster.stop();
  return { plans, isPublished, isStillLed };
}

function openUnit(unit: string, time: VirtualTime, nats: SimulatedNats): Unit {
  const clock = new UnitClock(time, 0);
  let line: SimulatedConnection | undefined;
  const times = { leaseMs, silentMs: leaseMs, holdMs: leaseMs };
  const cluster = openClusterOver(
    { network: 'lab', unit, units, ...times, clock, ...passive },
    async () => {
      line = nats.connect(clock);
      return line;
    },
  );
  return { cluster, clock, line: () => line };
}

const areSame = (plans: ReadonlyArray<PlanMark | undefined>): boolean =>
  new Set(plans.map((plan) => JSON.stringify(plan))).size === 1;

t.test('a follower that misses what its leader says goes by the plan once it hears', async (t) => {
  let confirmed = 0;
  await fc.assert(
    fc.asyncProperty(faultOf(false), async (fault) => {
      const { plans, isPublished, isStillLed } = await afterFault(fault);
      if (isPublished) confirmed++;
      return isStillLed && areSame(plans) && isPublished === (plans[0] !== undefined);
    }),
    { numRuns: 40 },
  );
  t.ok(confirmed > 3, `${confirmed} plans were confirmed in time`);
});

t.test('a leader that is cut off as it decides: all go by its plan, or all by none', async () => {
  await fc.assert(
    fc.asyncProperty(faultOf(true), async (fault) => areSame((await afterFault(fault)).plans)),
    { numRuns: 40 },
  );
});
