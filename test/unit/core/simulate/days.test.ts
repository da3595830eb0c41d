import t from 'tap';
import { bitps, linkId, ms } from '../../../../src/core/base/units.ts';
import { decide, defaultPolicy, initialState } from '../../../../src/core/decide/index.ts';
import type { Plan } from '../../../../src/core/model/plan.ts';
import { drawWeather, runWeather } from '../../../../src/core/simulate/days.ts';
import { seeded } from '../../../../src/core/simulate/random.ts';
import { parseRelationships } from '../../../../src/core/simulate/topology.ts';
import { drawTraffic, Routes } from '../../../../src/core/simulate/world.ts';

// Others may be using the machine.
t.setTimeout(300_000);

/** Two big networks that peer, each with a provider of ours below it and forty customers shared alike. */
function smallInternet() {
  const rows = ['1|2|0', '1|10|-1', '2|20|-1'];
  for (let as = 100; as < 140; as++) rows.push(`1|${as}|-1`, `2|${as}|-1`);
  const parsed = parseRelationships(rows.join('\n'));
  if (!parsed.ok) throw new Error(parsed.error.code);
  const topology = parsed.value;
  const providers = [10, 20].map((asn) => topology.asns.indexOf(asn));
  const links = ['north', 'south'].map((name) => ({ link: linkId(name), capacity: bitps(1e9) }));
  const total = bitps(0.9e9);
  return drawTraffic(topology, seeded(4), { providers, links, blocks: 12, sources: 38, total });
}

t.test('all by one link: the closed loop spreads it, the same way every time', async (t) => {
  const world = smallInternet();
  const weather = drawWeather(world, 11, 2);
  const none: Plan = { generation: 0, at: ms(0), blocks: [] };
  const alone = runWeather(world, new Routes(world), weather, () => none);
  const run = () => {
    let state = initialState();
    const policy = defaultPolicy(world.links);
    return runWeather(world, new Routes(world), weather, (observation) => {
      state = decide(observation, policy, state).state;
      return state.plan;
    });
  };
  const controlled = run();
  t.ok(alone.overload > 0.2, `without control ${alone.overload.toFixed(2)} of the time`);
  t.ok(controlled.overload < alone.overload / 3, `with control ${controlled.overload.toFixed(3)}`);
  t.ok(controlled.longestOscillation <= 2);
  t.same(run(), controlled);
});

t.test('every distinct announcement is propagated once', async (t) => {
  const world = smallInternet();
  const routes = new Routes(world);
  const up = [true, true];
  const biased = { block: world.blocks[0] ?? '', link: linkId('south'), rung: 1, reason: '' };
  // A cast, since the block's brand is lost in the fallback that never happens.
  const entry = biased as Plan['blocks'][number];
  const share = (found: Int8Array) => found.filter((link) => link === 1).length / found.length;
  t.ok(
    share(routes.of(undefined, up)) < 0.1,
    'the lower neighbour, but for one that has us as a customer',
  );
  t.ok(share(routes.of(entry, up)) > 0.9);
  routes.of(entry, up);
  t.equal(routes.computed, 2);
  t.ok(
    routes.of(entry, [true, false]).every((link) => link === 0),
    'the other link is down',
  );
});

t.test(
  'a ladder of its own: a more-specific brings all, its failure leaves the aggregate',
  async (t) => {
    const world = { ...smallInternet(), ladder: [{ prepends: 1 }, 'more_specifics'] as const };
    const routes = new Routes(world);
    const block = world.blocks[0];
    if (block === undefined) return t.fail('the world has a block');
    const on = (link: string, rung: number, isUp = [true, true]) =>
      routes.of({ block, link: linkId(link), rung, reason: '' }, isUp);
    t.ok(on('north', 2).every((link) => link === 0));
    t.ok(on('south', 2).every((link) => link === 1));
    t.notOk(
      on('south', 1).every((link) => link === 1),
      'a prepend brings less',
    );
    t.ok(on('south', 2, [true, false]).every((link) => link === 0));
  },
);
