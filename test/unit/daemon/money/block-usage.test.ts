import t from 'tap';
import { prefixText } from '../../../../src/core/base/units.ts';
import {
  type BlockBytes,
  BlockMeter,
  usageOver,
} from '../../../../src/daemon/money/block-usage.ts';
import { sampleMs } from '../../../../src/daemon/money/usage.ts';

const a = prefixText('198.51.100.0/24');
const b = prefixText('198.51.101.0/24');
const bytes = (own: Readonly<Record<string, number>>): BlockBytes =>
  new Map(Object.entries(own).map(([block, inbound]) => [block, { inbound, outbound: 1 }]));

t.test('what was carried goes to the sample in which it began, and no octet is lost', async (t) => {
  const meter = new BlockMeter();
  const from = 10 * sampleMs;
  t.equal(meter.add(bytes({ [a]: 100 }), from, from + 200_000, 1), undefined);
  t.equal(
    meter.add(bytes({ [a]: 50, [b]: 7 }), from + 200_000, from + sampleMs + 9, 0.5),
    undefined,
  );
  const ended = meter.add(bytes({ [a]: 1 }), from + sampleMs + 9, from + sampleMs + 1000, 1);
  t.match(ended, {
    at: from,
    coveredMs: sampleMs,
    blocks: [
      { block: a, inboundL2: 150, outboundL2: 2 },
      { block: b, inboundL2: 7, outboundL2: 1 },
    ],
  });
  t.ok(Math.abs((ended?.coverage ?? 0) - 5 / 6) < 0.001, 'a third of the time was half measured');
  t.match(meter.take(), { at: from + sampleMs, coveredMs: 991, blocks: [{ inboundL2: 1 }] });
  t.equal(meter.take(), undefined);
  t.equal(
    meter.add(bytes({ [a]: 5 }), from, from, 1),
    undefined,
    'a clock that stood counts nothing',
  );
});

t.test('usage over a time: per block, per group, with what share was measured', async (t) => {
  const samples = [0, 1].map((i) => ({
    at: i * sampleMs,
    coveredMs: sampleMs,
    coverage: i === 0 ? 1 : 0.5,
    blocks: [
      { block: a, inboundL2: 3000, outboundL2: 10 },
      { block: b, inboundL2: 1000, outboundL2: 20 },
    ],
  }));
  const blocks = [
    { prefix: a, group: 'web' },
    { prefix: b, group: 'web' },
  ];
  const span = { from: 0, to: 4 * sampleMs };
  const each = usageOver(samples, span, blocks, 'block');
  t.equal(
    each.coverage,
    0.375,
    'half of the time is missing, half of the other half was half seen',
  );
  t.match(each.rows, [
    { name: a, inbound_bytes: 6000, share: 0.75, inbound_bitps: 80 },
    { name: b, inbound_bytes: 2000, share: 0.25 },
  ]);
  const together = usageOver(samples, span, blocks, 'group');
  t.match(together.rows, [{ name: 'web', inbound_bytes: 8000, outbound_bytes: 60, share: 1 }]);
  t.match(usageOver([], span, blocks, 'block'), { coverage: 0, rows: [] });
});
