import t from 'tap';
import { type Run, summarise, type UnitView } from '../../../../src/cli/lab/summary.ts';
import type { MeterSample, Reading } from '../../../../src/lab/index.ts';

const capacities = { north: 40e6, south: 60e6 };
const demandBitps = 62e6;
const startedAt = 1_000_000;

/** A run of 40 s sampled twice a second: north full until `reliefS`, then 24 and 40 Mbit/s; one move at 6 s. */
function runWith(reliefS: number): Run {
  let [north, south, arrived] = [0, 0, 0];
  const samples: MeterSample[] = [];
  const views: UnitView[] = [];
  for (let half = 0; half <= 80; half++) {
    const at = startedAt + half * 500;
    samples.push({
      at,
      links: [
        { name: 'north', bytes: north, dropped: 0 },
        { name: 'south', bytes: south, dropped: 0 },
      ],
      receipt: { at, bytes: [arrived], reconnects: 0 },
    });
    views.push({
      at,
      links: [
        {
          name: 'north',
          inboundBytes: north,
          countedMs: at,
          inboundBitps: undefined,
          retransmissionRatio: 0.02,
          rttUs: 900,
        },
        {
          name: 'south',
          inboundBytes: south,
          countedMs: at,
          inboundBitps: undefined,
          retransmissionRatio: undefined,
          rttUs: undefined,
        },
      ],
      blocks: [],
      moves:
        half < 12
          ? []
          : [
              {
                at: startedAt + 6000,
                block: '198.18.0.0/24',
                from: undefined,
                to: 'south',
                reason: 'north is full',
              },
            ],
    });
    const relieved = half >= reliefS * 2;
    north += ((relieved ? 24e6 : 40e6) / 8) * 0.5;
    south += ((relieved ? 40e6 : 0) / 8) * 0.5;
    arrived += ((relieved ? 62e6 : 37e6) / 8) * 0.5;
  }
  return { startedAt, samples, views, capacities, demandBitps, between };
}

function between(from: MeterSample, to: MeterSample): Reading {
  const seconds = (to.at - from.at) / 1000;
  return {
    seconds,
    goodputBitps: (((to.receipt.bytes[0] ?? 0) - (from.receipt.bytes[0] ?? 0)) * 8) / seconds,
    links: to.links.map((link, i) => {
      const bitps = ((link.bytes - (from.links[i]?.bytes ?? 0)) * 8) / seconds;
      const capacity = link.name === 'north' ? capacities.north : capacities.south;
      return { name: link.name, bitps, load: bitps / capacity, dropped: 0 };
    }),
  };
}

t.test('before is the overload up to the first move, after the last ten seconds', async (t) => {
  const summary = summarise(runWith(8));
  t.same(summary.before, {
    goodput_mbps: 37,
    links: [
      {
        name: 'north',
        capacity_mbps: 40,
        measured_mbps: 40,
        interface_mbps: 40,
        retransmission_rate: 0.02,
      },
      {
        name: 'south',
        capacity_mbps: 60,
        measured_mbps: 0,
        interface_mbps: 0,
        retransmission_rate: null,
      },
    ],
  });
  t.equal(summary.after.goodput_mbps, 62);
  t.same(
    summary.after.links.map((link) => link.interface_mbps),
    [24, 40],
  );
  t.same(summary.moves, [
    { at_s: 6, block: '198.18.0.0/24', from: null, to: 'south', reason: 'north is full' },
  ]);
});

t.test('relief is timed from the first overloaded seconds to the first without', async (t) => {
  // Overload is known after the two seconds that it takes to see it; so is relief.
  t.equal(summarise(runWith(8)).relief_s, 8);
  t.equal(summarise(runWith(20)).relief_s, 20);
});

t.test('without relief there is no time to it', async (t) => {
  t.equal(summarise(runWith(1000)).relief_s, null);
});
