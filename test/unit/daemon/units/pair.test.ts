/** Two units with the same routers: one decides, both carry out the same, whatever becomes of either. */
import t from 'tap';
import type { Cluster, Membership, Standing } from '../../../../src/cluster/index.ts';
import { err, ok } from '../../../../src/core/base/result.ts';
import { bitps, linkId, ms, type PrefixText, prefixText } from '../../../../src/core/base/units.ts';
import type { Override } from '../../../../src/core/decide/egress/index.ts';
import {
  linksOfBoth,
  loadOfBoth,
  type OutboundInForce,
  type OutboundMeasure,
  ratesOfBoth,
} from '../../../../src/daemon/outbound/shared.ts';
import { type OwnWord, Pair, type PairRequest } from '../../../../src/daemon/units/pair.ts';

const [north, south] = [linkId('north'), linkId('south')];
const prefix = prefixText('203.0.113.0/24');
const detourTo = (destination: PrefixText): Override => ({
  destination,
  link: south,
  nextHop: '192.0.2.6',
  from: north,
  since: ms(1),
  because: 'overload',
  text: '',
});
const holdMs = 60_000;

/** One of them, with what a unit would do about each role. */
class Half {
  readonly name: 'a' | 'b';
  pair: Pair;
  standing: Standing = 'led';
  partner: keyof Membership = 'live';
  isReachable = true;
  isTold = true;
  isSettled = true;
  inForce: OutboundInForce = { detours: [], disproved: [] };
  readonly #scene: Scene;

  constructor(scene: Scene, name: 'a' | 'b') {
    this.#scene = scene;
    this.name = name;
    this.pair = this.#begin();
  }

  /** As after a crash: what was in force is not remembered. */
  restart(): void {
    this.inForce = { detours: [], disproved: [] };
    this.pair = this.#begin();
  }

  #begin(): Pair {
    const scene = this.#scene;
    const cluster: Pick<Cluster, 'unit' | 'ask' | 'standing' | 'membership'> = {
      unit: this.name,
      standing: () => this.standing,
      membership: () => ({
        live: [],
        frozen: [],
        gone: [],
        [this.partner]: [scene.other(this).name],
      }),
      // A cast: what a pair sends.
      ask: async (_, body) => scene.pass(this, body as PairRequest),
    };
    const pair = new Pair(
      cluster,
      { units: ['a', 'b'], pairing: 'parallel' },
      { holdMs, now: () => scene.nowMs, count: () => undefined },
    );
    pair.follow((inForce) => {
      this.inForce = inForce;
    });
    return pair;
  }

  /** A cycle: `wanted` is what this unit would decide. */
  async turn(wanted: readonly Override[] = this.inForce.detours): Promise<string> {
    const word = (): OwnWord => ({
      isTold: this.isTold,
      isSettled: this.isSettled,
      inForce: this.inForce,
    });
    const role = this.pair.take(word());
    if (role === 'decides') this.inForce = { ...this.inForce, detours: wanted };
    if (role === 'lets_go') this.inForce = { detours: [], disproved: [] };
    await this.pair.tell(word());
    return role;
  }

  get told(): readonly string[] {
    return this.inForce.detours.map(({ destination }) => destination);
  }
}

class Scene {
  nowMs = 0;
  readonly a = new Half(this, 'a');
  readonly b = new Half(this, 'b');

  other(half: Half): Half {
    return half === this.a ? this.b : this.a;
  }

  pass(from: Half, { pair }: PairRequest) {
    const to = this.other(from);
    if (!from.isReachable || !to.isReachable) return err('no answer');
    return ok(ok(to.pair.hear(pair)));
  }

  /** Both have heard each other, and the first decides. */
  async settle(): Promise<void> {
    for (let i = 0; i < 3; i++) for (const half of [this.a, this.b]) await half.turn();
  }
}

async function detoured(): Promise<Scene> {
  const scene = new Scene();
  await scene.settle();
  await scene.a.turn([detourTo(prefix)]);
  return scene;
}

t.test('one decides, and the other carries out the same within the cycle', async (t) => {
  const scene = new Scene();
  t.equal(await scene.a.turn(), 'keeps', 'nobody was heard yet');
  await scene.settle();
  t.same([scene.a.pair.role, scene.b.pair.role], ['decides', 'follows']);
  await scene.a.turn([detourTo(prefix)]);
  t.same(scene.b.told, [prefix]);
  t.equal(await scene.b.turn([]), 'follows', 'what it would decide itself is not asked');
  t.same(scene.b.told, [prefix]);
  t.same([scene.a.pair.decider, scene.b.pair.decider], ['a', 'a']);
  await scene.a.turn([]);
  t.same(scene.b.told, []);
});

t.test('either dies and comes back: nothing changes at the other, nor after', async (t) => {
  for (const dies of ['a', 'b'] as const) {
    const scene = await detoured();
    const [gone, left] = [scene[dies], scene.other(scene[dies])];
    gone.isReachable = false;
    left.partner = 'frozen';
    t.equal(await left.turn([]), 'keeps', `${dies}: its detours may still stand`);
    t.same(left.told, [prefix]);
    gone.restart();
    gone.isReachable = true;
    gone.isTold = false;
    gone.isSettled = false;
    left.partner = 'live';
    await gone.turn([]);
    t.same(gone.told, [prefix], 'it goes on from what is in force');
    gone.isTold = true;
    gone.isSettled = true;
    await scene.settle();
    t.same([scene.a.told, scene.b.told], [[prefix], [prefix]]);
    t.same([scene.a.pair.role, scene.b.pair.role].sort(), ['decides', 'follows']);
  }
});

t.test('when the other is surely gone the one that is left decides alone', async (t) => {
  const scene = await detoured();
  scene.a.isReachable = false;
  scene.b.partner = 'gone';
  const other = prefixText('192.0.2.0/24');
  t.equal(await scene.b.turn([detourTo(other)]), 'decides');
  t.same(scene.b.told, [other]);
  scene.a.restart();
  scene.a.isReachable = true;
  scene.b.partner = 'live';
  await scene.a.turn([]);
  t.same(scene.a.told, [other], 'who comes back takes what is in force, and drops nothing of it');
  t.same(scene.b.told, [other]);
});

t.test(
  'parted: both keep what is in force, the cut off one lets go, and healed they agree',
  async (t) => {
    const scene = await detoured();
    scene.a.isReachable = false;
    scene.a.standing = 'holding';
    scene.b.partner = 'frozen';
    t.same([await scene.a.turn([]), await scene.b.turn([])], ['keeps', 'keeps']);
    t.same([scene.a.told, scene.b.told], [[prefix], [prefix]]);
    scene.a.standing = 'released';
    t.equal(await scene.a.turn(), 'lets_go');
    t.same(scene.a.told, []);
    scene.b.partner = 'gone';
    t.equal(await scene.b.turn(), 'decides');
    t.same(scene.b.told, [prefix]);
    scene.a.isReachable = true;
    scene.a.standing = 'led';
    scene.b.partner = 'live';
    await scene.settle();
    t.same([scene.a.told, scene.b.told], [[prefix], [prefix]]);
  },
);

t.test(
  'both decided while they could not hear each other: one ends it with the first word',
  async (t) => {
    const scene = await detoured();
    scene.a.isReachable = false;
    for (const half of [scene.a, scene.b]) half.partner = 'gone';
    const other = prefixText('192.0.2.0/24');
    await scene.a.turn([detourTo(prefix)]);
    await scene.b.turn([detourTo(other)]);
    scene.a.isReachable = true;
    for (const half of [scene.a, scene.b]) half.partner = 'live';
    await scene.b.turn([detourTo(other)]);
    t.same([scene.a.told, scene.b.told], [[prefix], [prefix]]);
  },
);

t.test('whose router says nothing, or who just began to measure, does not decide', async (t) => {
  const scene = await detoured();
  scene.a.isTold = false;
  await scene.settle();
  t.same([scene.a.pair.role, scene.b.pair.role], ['follows', 'decides']);
  scene.a.isTold = true;
  scene.b.isSettled = false;
  await scene.settle();
  t.same([scene.a.pair.role, scene.b.pair.role], ['keeps', 'follows'], 'half is not measured');
  t.same([scene.a.told, scene.b.told], [[prefix], [prefix]]);
});

t.test('a partner that steers no outbound traffic is no reason to wait', async (t) => {
  const scene = new Scene();
  scene.pass = () => ok(ok(undefined as never));
  await scene.a.turn();
  t.equal(await scene.a.turn(), 'decides');
});

t.test(
  'a unit that was never led keeps what its wires have for the hold time, no longer',
  async (t) => {
    const scene = new Scene();
    scene.a.standing = 'released';
    t.equal(await scene.a.turn(), 'keeps');
    scene.nowMs += holdMs;
    t.equal(await scene.a.turn(), 'lets_go');
  },
);

const measure = (rate: number, source: OutboundMeasure['source'] = 'wire'): OutboundMeasure => ({
  ageMs: 5,
  source,
  rates: [[prefix, rate]],
  links: [
    {
      link: north,
      isUp: true,
      capacity: bitps(100),
      outbound: { value: bitps(rate), ageMs: ms(5), coverage: 1, source: 'wire' },
    },
  ],
  total: rate,
  byLink: [[north, rate]],
});

t.test('in parallel each has a part, in series both have all', async (t) => {
  const own = { rates: new Map([[prefix, bitps(30)]]), source: 'wire', ageMs: 1 } as const;
  const rateOf = (pairing: 'parallel' | 'series', theirs: OutboundMeasure | undefined) =>
    ratesOfBoth(own, theirs, pairing)?.rates.get(prefix);
  t.equal(rateOf('parallel', measure(12)), 42);
  t.equal(rateOf('series', measure(12)), 30);
  t.equal(rateOf('parallel', measure(12, 'flows')), 30, 'what routers export both have');
  t.equal(rateOf('parallel', undefined), 30);
  t.equal(ratesOfBoth(undefined, measure(12), 'parallel')?.rates.get(prefix), 12);
  const load = { total: 30, byLink: new Map([[north, 30]]) };
  t.match(loadOfBoth(load, measure(12), 'parallel'), { total: 42 });
  t.match(loadOfBoth(load, measure(12), 'series'), { total: 30 });
  const { links } = measure(30);
  const seen = { at: ms(0), intervalMs: ms(1), links, blocks: [] };
  const inForce = (pairing: 'parallel' | 'series') =>
    linksOfBoth(seen, measure(12), pairing).links[0]?.outbound?.value;
  t.same([inForce('parallel'), inForce('series')], [42, 30]);
});
