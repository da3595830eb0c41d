/** A message of a protocol version that this unit does not know is refused, counted, and its sender named once. */
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { type Cluster, openClusterOver } from '../../../src/cluster/index.ts';
import { Strangers } from '../../../src/cluster/strangers.ts';
import { passive } from '../../support/cluster.ts';
import { SimulatedNats, UnitClock, VirtualTime } from '../../support/simulated-nats.ts';

t.test('of another version nothing is taken, and it is said who', async (t) => {
  const time = new VirtualTime();
  const nats = new SimulatedNats(time, () => 0.5, 2000);
  const clock = new UnitClock(time, 0);
  const told: string[] = [];
  const cluster: Cluster = openClusterOver(
    {
      network: 'lab',
      unit: 'west',
      units: ['west', 'mid'],
      leaseMs: 2000,
      silentMs: 3000,
      holdMs: 8000,
      clock,
      ...passive,
      onEvent: (event) => {
        if (event.kind === 'refused_message') told.push(event.reason);
      },
    },
    async () => nats.connect(clock),
  );
  const peer = nats.connect(clock);
  await time.advance(1000);
  const newer = { version: 2, unit: 'mid', body: { leads: 99, goesBy: { fence: 99, serial: 1 } } };
  for (let i = 0; i < 8; i++) {
    peer.publish('lab.alive', gzipSync(JSON.stringify(newer)));
    await time.advance(1000);
  }
  t.equal(told.length, 1, 'told once');
  t.match(told[0], /unit "mid" speaks version 2 .* this one 1/);
  t.same(cluster.refusals(), told, 'and shown for as long as it goes on');
  t.equal(cluster.counters().message_unknown_version, 8);
  t.same(cluster.membership().live, ['west'], 'it does not count as heard');
  t.equal(cluster.leader(), 'west', 'nor as the leader');
  await time.advance(10_000);
  t.same(cluster.refusals(), [], 'until it stops');
  const stopped = cluster.stop();
  await time.advance(5000);
  await stopped;
});

t.test('what is kept is bounded', (t) => {
  const strangers = new Strangers(() => 0, 1000);
  for (let version = 2; version < 1000; version++)
    strangers.note({ code: 'unknown_version', version, unit: 'x' });
  t.ok(strangers.list().length <= 32);
  t.match(strangers.list().at(-1), /version 999/);
  t.match(strangers.note({ code: 'malformed', reason: 'no JSON' }), /makes no sense: no JSON/);
  t.end();
});
