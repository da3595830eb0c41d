import t from 'tap';
import { buildReport } from '../../../src/daemon/money/report.ts';

const at = Date.UTC(2026, 0, 1);
const usage = (index: number, link: string, bytes: number, coveredMs = 300_000) => ({
  at: at + index * 300_000,
  link,
  inbound_bytes: bytes,
  outbound_bytes: 0,
  inbound_ip_bytes: bytes,
  outbound_ip_bytes: 0,
  covered_ms: coveredMs,
});
const link = (name: string) => ({
  name,
  asn: 65001,
  is_up: true,
  capacity_bitps: 1e9,
  inbound_bytes: 0,
  outbound_bytes: 0,
});

t.test('samples of all links stand on one time axis, what was not measured is a gap', async (t) => {
  const report = buildReport({
    title: 'west',
    from: at,
    to: at + 900_000,
    history: {
      from: at,
      to: at + 900_000,
      moves: [],
      rails: [
        { rail: 'dwell', result: 'postpone', count: 3 },
        { rail: 'dwell', result: 'refuse', count: 1 },
      ],
      usage: [
        usage(0, 'north', 37_500_000),
        usage(1, 'north', 37_500_000, 150_000),
        usage(1, 'south', 0),
      ],
      quality: [
        {
          at: at + 600_000,
          link: 'south',
          retransmission_ratio: 0.01,
          rtt_us: 9000,
          loss_ratio: null,
        },
      ],
    },
    links: [link('north'), link('south')],
    bill: {
      at,
      currency: 'EUR',
      to_date: '0',
      forecast: '0',
      not_compared: [],
      unconverted: [],
      links: [],
    },
  });
  t.same(
    report.times.map((time) => (time - at) / 300_000),
    [0, 1, 2],
  );
  t.same(
    report.links[0]?.inbound,
    [1e6, 2e6, null],
    'a rate is over the time that was really measured',
  );
  t.same(report.links[1]?.inbound, [null, 0, null]);
  t.same(report.links[1]?.rttUs, [null, null, 9000]);
  t.same(report.rails, [{ rail: 'dwell', refused: 1, postponed: 3 }]);
});
