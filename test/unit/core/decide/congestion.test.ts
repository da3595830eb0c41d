import fc from 'fast-check';
import t from 'tap';
import { linkId } from '../../../../src/core/base/units.ts';
import {
  judgeCongestion,
  defaultCongestionPolicy as policy,
  type Sign,
  type SignKind,
} from '../../../../src/core/decide/congestion.ts';

const link = linkId('north');
const sign = (kind: SignKind, value: number, change: Partial<Sign> = {}): Sign => ({
  kind,
  value,
  ageMs: 0,
  coverage: 1,
  ...change,
});
const judge = (signs: readonly Sign[], was = false) => judgeCongestion(link, 'inbound', signs, was);

t.test('each sign raises the alarm alone when it is certain, but delay', async (t) => {
  for (const [kind, { certain }] of Object.entries(policy.signs)) {
    // The keys of the policy are the kinds.
    const verdict = judge([sign(kind as SignKind, certain)]);
    t.equal(verdict.isCongested, true, kind);
    t.match(verdict.reasons, [{ kind }]);
  }
  t.equal(judge([sign('delay_growth', 20_000)]).isCongested, false, '20 ms alone may be a detour');
});

t.test('weak signs strengthen each other, and are named strongest first', async (t) => {
  const weak = [sign('delay_growth', 15_000), sign('load', 0.97), sign('probe_loss', 0.004)];
  for (const one of weak) t.equal(judge([one]).isCongested, false, one.kind);
  const verdict = judge(weak);
  t.equal(verdict.isCongested, true);
  t.same(
    verdict.reasons.map(({ kind }) => kind),
    ['load', 'delay_growth', 'probe_loss'],
  );
});

t.test('a sign fades with age and counts by its coverage', async (t) => {
  const loss = (change: Partial<Sign>) => judge([sign('probe_loss', 0.05, change)]).value;
  const half = (value: number) => Math.abs(value - loss({}) / 2) < 1e-9;
  t.ok(half(loss({ ageMs: policy.halfLifeMs })));
  t.equal(loss({ ageMs: policy.ageMsMax + 1 }), 0);
  t.ok(half(loss({ coverage: 0.5 })));
});

t.test('a few lost probes prove nothing: the lower end of the interval speaks', async (t) => {
  // 1 of 20 lost: 5 %, but perhaps only 0.9 %.
  t.equal(judge([sign('probe_loss', 0.05, { low: 0.0089 })]).value < 0.8, true);
  t.equal(judge([sign('probe_loss', 0.02, { low: 0.001 })]).isCongested, false);
});

t.test('an alarm is left later than it is reached', async (t) => {
  const between = [sign('probe_loss', 0.006)];
  t.equal(judge(between, false).isCongested, false);
  t.equal(judge(between, true).isCongested, true);
  t.equal(judge([sign('probe_loss', 0.003)], true).isCongested, false);
});

t.test('the same verdict in any order, never less for more evidence, always 0 to 1', async () => {
  const anySign = fc.record({
    kind: fc.constantFrom<SignKind>(
      'probe_loss',
      'delay_growth',
      'retransmission',
      'discards',
      'load',
    ),
    value: fc.double({ min: 0, max: 1.3, noNaN: true }),
    ageMs: fc.integer({ min: 0, max: 400_000 }),
    coverage: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(anySign, { maxLength: 8 }), anySign, (signs, more) => {
      const one = judge(signs);
      const other = judge([...signs].reverse());
      const stronger = judge([...signs, more]);
      return (
        JSON.stringify(one) === JSON.stringify(other) &&
        one.value >= 0 &&
        one.value <= 1 &&
        stronger.value >= one.value
      );
    }),
  );
});

/**
 * One link through a queue of 50 ms at 100 Mb/s, in cycles of 30 s: what the sources would say of it.
 * `offered` is load over capacity, `loss` what the path drops on its own.
 */
function cycleSigns(offered: number, loss: number, random: () => number): Sign[] {
  const overflow = Math.max(0, 1 - 1 / offered);
  const dropped = 1 - (1 - overflow) * (1 - loss);
  const binomial = (count: number, p: number) => {
    let hits = 0;
    for (let i = 0; i < count; i++) if (random() < p) hits++;
    return hits;
  };
  // 20 targets, one probe in ten seconds each, two minutes remembered; 30,000 segments sampled.
  const probes = 240;
  const lost = binomial(probes, dropped);
  const [segments, resent] = [30_000, binomial(30_000, dropped + 0.0005)];
  const p = lost / probes;
  const low = Math.max(0, p - 1.96 * Math.sqrt((p * (1 - p)) / probes));
  // The queue of a link at 95 % holds some milliseconds now and then; above 100 % it is full.
  const queueUs = offered >= 1 ? 50_000 : (300 * offered) / (1 - offered);
  return [
    sign('probe_loss', p, { low }),
    sign('delay_growth', queueUs * (0.8 + 0.4 * random())),
    sign('retransmission', resent / segments),
    sign('discards', binomial(30_000, overflow) / 30_000),
    sign('load', Math.min(1, offered) * (0.995 + 0.005 * random())),
  ];
}

t.test(
  'a grid of loss and overload: found within two cycles, no false alarm in thirty',
  async (t) => {
    let state = 99;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 4294967296;
    };
    for (const offered of [0.5, 0.8, 0.9, 1.05, 1.1, 1.2, 1.3]) {
      for (const loss of [0, 0.001, 0.005, 0.01, 0.03]) {
        let was = false;
        let alarms = 0;
        let foundAt: number | undefined;
        for (let cycle = 1; cycle <= 30; cycle++) {
          const verdict = judge(cycleSigns(offered, loss, random), was);
          was = verdict.isCongested;
          if (was) alarms++;
          if (was) foundAt ??= cycle;
        }
        const name = `${offered * 100} % load, ${loss * 100} % loss`;
        if (offered >= 1.05 || loss >= 0.01) t.ok((foundAt ?? 99) <= 2, `${name}: found`);
        else if (loss <= 0.001) t.equal(alarms, 0, `${name}: quiet`);
      }
    }
  },
);
