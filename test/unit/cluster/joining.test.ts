/** A unit that comes (back) while the others go on: what holds without it, and when it goes by a plan itself. */
import t from 'tap';
import { type Cluster, openClusterOver } from '../../../src/cluster/index.ts';
import { passive } from '../../support/cluster.ts';
import {
  type SimulatedConnection,
  SimulatedNats,
  UnitClock,
  VirtualTime,
} from '../../support/simulated-nats.ts';

const leaseMs = 2000;
const units = ['west', 'mid', 'east'];

/** Counts what it refused. */
class CountingNats extends SimulatedNats {
  refused = 0;

  override apply<T>(...args: Parameters<typeof SimulatedNats.prototype.apply<T>>): T {
    try {
      return super.apply(...args);
    } catch (error) {
      this.refused++;
      throw error;
    }
  }
}

interface Scene {
  readonly time: VirtualTime;
  readonly nats: CountingNats;
  readonly connections: ReadonlyMap<string, SimulatedConnection>;
  /** What they publish is lost. */
  readonly mute: Set<string>;
  readonly leader: () => Cluster;
  readonly open: (unit: string) => Cluster;
}

/** Some of the units, after one of them began to lead. */
async function raise(names: readonly string[]): Promise<Scene> {
  const time = new VirtualTime();
  const nats = new CountingNats(time, () => 0.5, leaseMs);
  nats.revision = 1000;
  const connections = new Map<string, SimulatedConnection>();
  const mute = new Set<string>();
  const open = (unit: string) => {
    const clock = new UnitClock(time, 0);
    const options = { network: 'lab', unit, units, leaseMs, silentMs: 3000, holdMs: 8000, clock };
    return openClusterOver({ ...options, ...passive }, async () => {
      const connection = nats.connect(clock);
      connections.set(unit, connection);
      const publish = connection.publish.bind(connection);
      connection.publish = (...word) => mute.has(unit) || publish(...word);
      return connection;
    });
  };
  const clusters = new Map(names.map((unit) => [unit, open(unit)]));
  await time.advance(10_000);
  const leader = () => {
    const one = [...clusters.values()].find((cluster) => cluster.isLeader());
    if (!one) throw new Error('nobody leads');
    return one;
  };
  return { time, nats, connections, mute, leader, open };
}

t.test('while one leads nobody asks for the lease', async (t) => {
  const { time, nats, leader } = await raise(units);
  const { refused } = nats;
  const { unit } = leader();
  await time.advance(20_000);
  t.equal(nats.refused, refused);
  t.equal(leader().unit, unit);
});

t.test(
  'a plan waits for all that are heard by then, not only for those when it was made',
  async (t) => {
    const { time, connections, leader } = await raise(units);
    const late = units.find((unit) => unit !== leader().unit) ?? '';
    connections.get(late)?.cut();
    const asked = units.filter((unit) => unit !== late);
    const published = leader().publishPlan({ blocks: [] }, asked);
    await time.advance(leaseMs);
    t.match(await published, { ok: false, error: { code: 'unconfirmed', units: [late] } });
  },
);

t.test('a unit goes by no plan before the leader counts it', async (t) => {
  const { time, leader, open, mute } = await raise(units.slice(0, 2));
  const published = leader().publishPlan({ blocks: [] }, units.slice(0, 2));
  await time.advance(leaseMs);
  t.ok((await published).ok);
  // The leader hears nothing of it.
  mute.add('east');
  const late = open('east');
  await time.advance(2 * leaseMs);
  t.equal(late.leader(), leader().unit, 'it hears who leads');
  t.equal(late.plan(), undefined, 'and goes by nothing');
  mute.clear();
  await time.advance(leaseMs);
  t.same(late.plan(), leader().plan());
});

t.test(
  'a lease bucket that was lost counts anew: who leads goes on from the fence of the plan',
  async (t) => {
    const { time, nats, leader } = await raise(units);
    const publish = async () => {
      const published = leader().publishPlan({ blocks: [] }, units);
      await time.advance(leaseMs);
      return (await published).ok;
    };
    t.ok(await publish());
    const before = leader().plan()?.fence ?? 0;
    t.ok(before > 0);
    nats.countAnew();
    await time.advance(4 * leaseMs);
    t.ok(await publish(), 'one leads, and its plans hold');
    t.ok((leader().plan()?.fence ?? 0) > before, 'later than all before');
  },
);
