import t from 'tap';
import { bar, type Frame, renderTop } from '../../../../src/cli/top/screen.ts';

const frame: Frame = {
  status: {
    mode: 'control',
    state: 'attention',
    reasons: [{ what: 'link south is down', since: 1000 }],
    started: 0,
    at: 61_000,
    cycles: 3,
    is_withdrawn: false,
    wires: [],
    routers: [],
    plan: { generation: 4, at: 0, steered: 1, blocks: 200 },
  },
  links: [
    {
      name: 'north',
      asn: 1,
      is_up: true,
      capacity_bitps: 1e8,
      inbound_bitps: 5e7,
      outbound_bitps: 0,
      utilisation: 0.5,
      inbound_bytes: 0,
      outbound_bytes: 0,
    },
    {
      name: 'south',
      asn: 2,
      is_up: false,
      capacity_bitps: 1e8,
      inbound_bytes: 0,
      outbound_bytes: 0,
    },
  ],
  blocks: Array.from({ length: 200 }, (_, i) => ({
    prefix: `10.0.${String(i).padStart(3, '0')}.0/24`,
    link: i === 7 ? 'north' : null,
    rung: i === 7 ? 2 : 0,
    reason: '',
    inbound_bitps: i < 100 ? i * 1000 : 0,
    outbound_bitps: 0,
    inbound: [{ link: 'north', bitps: i * 1000 }],
    outbound: [],
    inbound_bytes: 1,
    outbound_bytes: 0,
  })),
  plan: {
    mode: 'control',
    generation: 4,
    at: 0,
    is_withdrawn: false,
    blocks: [],
    moves: [
      {
        at: 1,
        block: '10.0.007.0/24',
        from: 'south',
        to: 'north',
        rung: 2,
        outcome: 'worked',
        reason: 'x'.repeat(200),
        predicted_shift_bitps: 1,
      },
    ],
    stopped: [],
  },
};

t.test('a screen never wraps or scrolls, however small', (t) => {
  for (const [width, height] of [
    [80, 24],
    [200, 60],
    [40, 10],
    [20, 3],
  ] as const) {
    const lines = renderTop(frame, 'rate', width, height);
    t.ok(lines.length <= height, `${lines.length} lines of ${height}`);
    t.ok(
      lines.every((line) => line.length <= width),
      `${width} wide`,
    );
  }
  t.end();
});

t.test('it shows what is wrong, the links, the heaviest blocks first, and the moves', (t) => {
  const text = renderTop(frame, 'rate', 80, 24).join('\n');
  t.match(text, /! link south is down \(for 1 min\)/);
  t.match(text, /north +\[#{10}\.{10}\] +50 %/);
  t.match(text, /south +DOWN/);
  t.match(text, /10\.0\.007\.0\/24: south -> north \(worked\)/);
  const blocks = [...text.matchAll(/^10\.0\.(\d+)\.0\/24 /gm)].map((match) => Number(match[1]));
  t.equal(blocks[0], 99);
  t.same(
    blocks,
    [...blocks].sort((a, b) => b - a),
  );
  t.match(renderTop(frame, 'link', 80, 24).join('\n'), /10\.0\.\d+\.0\/24/);
  t.end();
});

t.test('bars stay within their frame', (t) => {
  t.same(
    [0, 0.5, 1, 7, -1].map((share) => bar(share).length),
    [22, 22, 22, 22, 22],
  );
  t.end();
});
