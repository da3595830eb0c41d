import t from 'tap';
import { renderBlocks } from '../../../src/cli/blocks.ts';
import { renderExplanation } from '../../../src/cli/explain.ts';
import type { BlockView } from '../../../src/control/index.ts';

const block = (prefix: string, more: Partial<BlockView> = {}): BlockView => ({
  prefix,
  link: null,
  rung: 0,
  reason: 'unbiased',
  inbound_bitps: 10e6,
  outbound_bitps: 1e6,
  inbound: [{ link: 'north', bitps: 10e6 }],
  outbound: [],
  inbound_bytes: 1,
  outbound_bytes: 1,
  ...more,
});

const near = { over_ms: 120_000, samples: 812, p50: 20_480, p95: 41_900 };
const scarce = { over_ms: 120_000, samples: 3, p50: null, p95: null };

t.test('round trips stand beside the rates, and of few samples none', (t) => {
  const all = [
    block('198.51.100.0/24', { rtt_us: near }),
    block('198.51.101.0/24', { rtt_us: scarce }),
    block('198.51.102.0/24'),
  ];
  t.equal(
    renderBlocks(all, false),
    [
      'block            group  planned  rung  in bit/s  out bit/s  comes in by  round trip    p95  samples  why',
      '198.51.100.0/24         any         0    10.0 M     1.00 M  north 100 %       20 ms  42 ms      812  unbiased',
      '198.51.101.0/24         any         0    10.0 M     1.00 M  north 100 %           -      -        3  unbiased',
      '198.51.102.0/24         any         0    10.0 M     1.00 M  north 100 %           -      -        0  unbiased',
      'round trips to the Internet over the last 2 min, to half an octave; - with less than 20 samples',
    ].join('\n'),
  );
  t.end();
});

t.test('without wires nothing is said of round trips', (t) => {
  const idle = block('198.51.101.0/24', { inbound_bitps: 0, outbound_bitps: 0, inbound_bytes: 0 });
  const text = renderBlocks(
    [block('198.51.100.0/24'), { ...idle, outbound_bytes: 0, inbound: [] }],
    false,
  );
  t.notMatch(text, /round trip|samples/);
  t.match(text, /\n1 blocks without traffic \(--all shows them\)$/);
  t.end();
});

t.test('an explanation says how far away the peers of the block are now', (t) => {
  const view = {
    prefix: '198.51.100.0/24',
    at: 0,
    text: 'it stays',
    age_ms: 0,
    coverage: 1,
    candidates: [],
    verdicts: [],
    moves: [],
  };
  t.match(
    renderExplanation({ ...view, rtt_us: near }),
    /round trips to the Internet: median 20 ms, p95 42 ms \(812 samples\), over the last 2 min/,
  );
  t.notMatch(renderExplanation(view), /round trips/);
  t.end();
});
