/** The bill as a person sees it: from what history kept, against no steering at all. */
import t from 'tap';
import { renderBill } from '../../../../src/cli/bill.ts';
import { bitps, linkId, ms, prefixText } from '../../../../src/core/base/units.ts';
import { unsteeredShift } from '../../../../src/core/decide/billing/unsteered.ts';
import { emptyBlockState, initialState, type State } from '../../../../src/core/decide/state.ts';
import type { Observation } from '../../../../src/core/model/observation.ts';
import { billView, money, PaidLevels } from '../../../../src/daemon/money/bill.ts';
import { ShiftMeter, sampleMs } from '../../../../src/daemon/money/usage.ts';
import { settingsOf } from '../../../support/settings.ts';

const north = linkId('north');
const south = linkId('south');
const block = prefixText('198.51.100.0/24');
const other = prefixText('198.51.101.0/24');
const april = Date.UTC(2026, 3, 1);

const settings = settingsOf(`
asn: 64512
networks: [198.51.100.0/23]
links:
  - { name: north, asn: 65001, capacity: 100M, price: { model: percentile, commit: 0, per_mbps: 1, direction: inbound } }
  - { name: south, asn: 65002, capacity: 100M, price: { model: percentile, commit: 0, per_mbps: 2, direction: inbound, currency: USD } }
currencies: { reference: EUR, rates: { USD: 0.5 } }
`);

/** 100 samples of 10 Mb/s on each link; steering holds 4 Mb/s on south that would come in by north. */
const usage = [north, south].flatMap((link) =>
  Array.from({ length: 100 }, (_, i) => ({
    at: april + i * sampleMs,
    link,
    inboundL2: (10e6 / 8) * 300,
    outboundL2: 0,
    inboundIp: (9e6 / 8) * 300,
    outboundIp: 0,
    coveredMs: sampleMs,
  })),
);
const shifts = Array.from({ length: 100 }, (_, i) => [
  { at: april + i * sampleMs, link: north, inboundL2: (4e6 / 8) * 300 },
  { at: april + i * sampleMs, link: south, inboundL2: (-4e6 / 8) * 300 },
]).flat();
const kept = { usage: () => usage, shifts: () => shifts };

t.test(
  'a bill says what it would have been without steering, link by link and together',
  async (t) => {
    const view = billView({ settings, at: april + 100 * sampleMs }, kept);
    t.match(view.links, [
      { link: 'north', amount: '10.00', without_headgate: '14.00', without_headgate_bitps: 14e6 },
      { link: 'south', amount: '20.00', without_headgate: '12.00', currency: 'USD' },
    ]);
    // 10 + 20 × 0.5 against 14 + 12 × 0.5: it cost nothing and saved nothing.
    t.match(view, { to_date: '20.00', without_headgate: '20.00', saved: '0.00', not_compared: [] });
    const half = billView(
      { settings, at: april + 100 * sampleMs },
      { ...kept, shifts: () => shifts.filter(({ link }) => link === north) },
    );
    t.match(half, { without_headgate: '24.00', saved: '4.00' });
    const text = renderBill(half);
    t.match(text, /statement of 2026-0[34]-/);
    t.match(text, /steering saved 4\.00 EUR/);
    t.match(text, /200 samples of 5 minutes, 0 are missing/);
  },
);

t.test('IP octets follow in the same proportion', async (t) => {
  const byIp = {
    ...settings,
    links: settings.links.map((link) => ({
      ...link,
      ...(link.price ? { price: { ...link.price, billBytes: 'ip' as const } } : {}),
    })),
  };
  const view = billView({ settings: byIp, at: april + 100 * sampleMs }, kept);
  t.match(view.links, [{ amount: '9.00', without_headgate: '12.60' }]);
});

t.test('money is text with at least two places, never a float', async (t) => {
  t.same([0, 10_000, 1_234_567, -500_000, 1e12].map(money), [
    '0.00',
    '0.01',
    '1.234567',
    '-0.50',
    '1000000.00',
  ]);
});

const observed = (rates: ReadonlyArray<readonly [typeof block, number, number]>): Observation => ({
  at: ms(april),
  intervalMs: ms(30_000),
  links: [],
  blocks: rates.map(([name, byNorth, bySouth]) => ({
    block: name,
    inbound: [
      { link: north, rate: bitps(byNorth) },
      { link: south, rate: bitps(bySouth) },
    ],
    outbound: [],
    ageMs: ms(0),
    coverage: 1,
  })),
});

t.test(
  'what links would carry: biased blocks spread as when they were unbiased, others where they are',
  async (t) => {
    const state: State = {
      ...initialState(),
      plan: {
        generation: 1,
        at: ms(0),
        blocks: [
          { block, link: south, rung: 2, reason: '' },
          { block: other, link: undefined, rung: 0, reason: '' },
        ],
      },
      blocks: {
        [block]: { ...emptyBlockState, baseline: { north: 0.75, south: 0.25 } },
        [other]: { ...emptyBlockState, baseline: { north: 1 } },
      },
    };
    const shift = unsteeredShift(
      observed([
        [block, 2e6, 6e6],
        [other, 1e6, 9e6],
      ]),
      state,
    );
    t.same(
      [...shift],
      [
        [north, 4e6],
        [south, -4e6],
      ],
    );
    t.equal(unsteeredShift(observed([[block, 1, 1]]), initialState()).size, 0);
  },
);

t.test('shifts are added up by sample; of a long silence nothing is known', async (t) => {
  const meter = new ShiftMeter(60_000);
  const rates = new Map([[north, 8e6]]);
  t.same(meter.advance(rates, april + 290_000), [], 'nothing to count from');
  t.same(meter.advance(rates, april + 310_000), [
    { at: april, link: north, inboundL2: 10_000 * 1000 },
    { at: april + sampleMs, link: north, inboundL2: 10_000 * 1000 },
  ]);
  t.same(meter.advance(rates, april + 2 * sampleMs), [
    { at: april + sampleMs, link: north, inboundL2: 60_000 * 1000 },
  ]);
  t.same(meter.advance(rates, april), [], 'a clock set back counts nothing');
});

t.test(
  'what leaves spends free samples: a full link counts as paid for while its burst lasts',
  async (t) => {
    const paced = settingsOf(`
asn: 64512
networks: [198.51.100.0/23]
links:
  - { name: north, asn: 65001, capacity: 400M, price: { model: percentile, commit: 20M, per_mbps: 1, direction: outbound } }
  - { name: south, asn: 65002, capacity: 400M, price: { model: percentile, commit: 20M, per_mbps: 2, direction: outbound } }
`);
    const day = 288;
    const march = april - 28 * day * sampleMs;
    const history = [north, south].flatMap((link) =>
      Array.from({ length: 28 * day }, (_, i) => ({
        at: march + i * sampleMs,
        link,
        inboundL2: 0,
        outboundL2: link === south ? 0 : ((i % day < 24 ? 200e6 : 100e6) / 8) * 300,
        inboundIp: 0,
        outboundIp: 0,
        coveredMs: sampleMs,
      })),
    );
    const levels = new PaidLevels({ usage: () => history, shifts: () => [] });
    const seen = (mbps: number) =>
      [north, south].map((link) => ({
        link,
        isUp: true,
        capacity: bitps(400e6),
        outbound: {
          value: bitps(link === north ? mbps * 1e6 : 0),
          ageMs: ms(0),
          coverage: 1,
          source: 'wire' as const,
        },
      }));
    const begin = april + sampleMs;
    const paid = (afterMs: number, mbps: number) => {
      const found = levels.at(paced, begin + afterMs, seen(mbps));
      return [north, south].map((link) => Number(found.get(link)?.paidOutbound));
    };
    const calm = paid(0, 95);
    t.ok((calm[0] ?? 0) > 90e6 && (calm[0] ?? 0) < 110e6, 'planned from last month');
    t.equal(calm[1], 20e6, 'committed');
    t.ok(paid(30_000, 200).includes(400e6), 'too much for what is planned');
    t.same(paid(sampleMs, 95), calm, 'the next sample');
  },
);
