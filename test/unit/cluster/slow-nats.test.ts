/** A NATS whose answers take longer than a third of the lease: one unit leads all the same, and goes on leading. */
import t from 'tap';
import { openClusterOver } from '../../../src/cluster/index.ts';
import { passive } from '../../support/cluster.ts';
import { SimulatedNats, UnitClock, VirtualTime } from '../../support/simulated-nats.ts';

const leaseMs = 2000;
const units = ['west', 'mid', 'east'];

for (const latencyMs of [5, 350, 400])
  t.test(`every answer after ${2 * latencyMs} ms, a lease of ${leaseMs} ms`, async (t) => {
    const time = new VirtualTime();
    const nats = new (class extends SimulatedNats {
      override latencyMs(): number {
        return latencyMs;
      }
    })(time, () => 0.5, leaseMs);
    let changes = 0;
    const clusters = units.map((unit) => {
      const clock = new UnitClock(time, 0);
      return openClusterOver(
        {
          network: 'lab',
          unit,
          units,
          leaseMs,
          silentMs: 3000,
          holdMs: 8000,
          clock,
          ...passive,
          onEvent: ({ kind }) => {
            if (kind === 'became_leader' || kind === 'no_longer_leader') changes++;
          },
        },
        async () => nats.connect(clock),
      );
    });
    const leaders = () => clusters.filter((cluster) => cluster.isLeader());
    await time.advance(20_000);
    t.equal(leaders().length, 1, 'one leads');
    const before = changes;
    for (let passed = 0; passed < 60_000; passed += 500) {
      await time.advance(500);
      if (leaders().length > 1) t.fail('two lead');
    }
    t.equal(changes, before, 'and goes on leading');
  });
