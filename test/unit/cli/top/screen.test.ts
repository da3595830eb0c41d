import { stripVTControlCharacters } from 'node:util';
import t from 'tap';
import { press } from '../../../../src/cli/top/keys.ts';
import {
  bar,
  type Frame,
  type Look,
  listed,
  renderTop,
  sparkline,
} from '../../../../src/cli/top/screen.ts';

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
  sessions: {
    live: 3,
    capacity: 10,
    links: [
      {
        link: 'north',
        inbound: {
          data_segments: 1000,
          retransmitted_segments: 30,
          lost_before: 20,
          lost_beyond: 10,
          spurious: 0,
          reordered: 0,
        },
        outbound: {
          data_segments: 0,
          retransmitted_segments: 0,
          lost_before: 0,
          lost_beyond: 0,
          spurious: 0,
          reordered: 0,
        },
        rtt_us: {
          inside: { samples: 0, p50: null, p95: null, p99: null },
          outside: { samples: 0, p50: null, p95: null, p99: null },
        },
      },
    ],
  },
  rails: [{ rail: 'dwell', result: 'postpone', count: 7 }],
};

const look: Look = {
  order: 'rate',
  filter: '',
  isTyping: false,
  cursor: 0,
  trends: new Map([['north', [0, 0.5, 1]]]),
  hasColour: false,
  isUtf8: false,
};
const screen = (changes: Partial<Look> = {}, width = 80, height = 24) =>
  renderTop(frame, { ...look, ...changes }, width, height);
const explained = {
  prefix: '10.0.007.0/24',
  at: 0,
  text: `stays on north: ${'word '.repeat(60)}`,
  age_ms: 0,
  coverage: 1,
  candidates: [
    {
      link: 'north',
      rung: 1,
      score: 0.5,
      terms: { balance: 0, congestion: 0, response: 0, price: 0 },
      share: 1,
    },
  ],
  verdicts: [{ rail: 'dwell', result: 'postpone', reason: 'moved 3 min ago' }],
  moves: [],
};

t.test('a screen never wraps or scrolls, however small, coloured or not', (t) => {
  for (const [width, height] of [
    [80, 24],
    [200, 60],
    [40, 10],
    [20, 3],
  ] as const) {
    for (const changes of [
      {},
      { hasColour: true, isUtf8: true },
      { explained },
      { cursor: 5000 },
    ]) {
      const lines = screen(changes, width, height);
      t.ok(lines.length <= height, `${lines.length} lines of ${height}`);
      t.ok(
        lines.every((line) => stripVTControlCharacters(line).length <= width),
        `${width} wide`,
      );
    }
  }
  t.end();
});

t.test('at 80 columns it shows what is wrong, links, blocks, moves and rails that bite', (t) => {
  const text = screen().join('\n');
  t.match(text, /! link south is down \(for 1 min\)/);
  t.match(text, /north +\[#{5}\.{5}\] +50 % +_=# .*2\.0\/1\.0 -/, 'retransmissions by side');
  t.match(text, /south +DOWN/);
  t.match(text, /10\.0\.007\.0\/24: south -> north \(worked\)/);
  t.match(text, /rails in the last hour: dwell postpones 7/);
  const blocks = [...text.matchAll(/^[> ] +10\.0\.(\d+)\.0\/24 /gm)].map((match) =>
    Number(match[1]),
  );
  t.equal(blocks[0], 99);
  t.ok(blocks.length > 2);
  t.same(
    blocks,
    [...blocks].sort((a, b) => b - a),
  );
  t.notOk(text.includes('\u001b'), 'without colour there is none');
  t.ok(screen({ hasColour: true }).join('\n').includes('\u001b[31m! link south'));
  t.end();
});

t.test('the median round trip of a block stands beside its rates, where wires see it', (t) => {
  t.notMatch(screen().join('\n'), 'round trip');
  const rtt_us = { over_ms: 120_000, samples: 64, p50: 20_480, p95: 41_000 };
  const blocks = frame.blocks.map((block, i) => (i === 99 ? { ...block, rtt_us } : block));
  const text = renderTop({ ...frame, blocks }, look, 80, 24).join('\n');
  t.match(text, / out +round trip +comes in by/);
  t.match(text, /10\.0\.099\.0\/24 .* 20 ms +north/);
  t.match(text, /10\.0\.098\.0\/24 .* - +north/);
  t.end();
});

t.test('keys sort, filter, choose and open an explanation', (t) => {
  const sorted = press('s', look, frame).look;
  t.equal(sorted.order, 'block');
  t.equal(press('s', press('s', sorted, frame).look, frame).look.order, 'rate', 'around again');

  let typed = press('/', look, frame).look;
  for (const key of ['0', '0', '8', '\u007f', '7', '\r']) typed = press(key, typed, frame).look;
  t.match(typed, { filter: '007', isTyping: false });
  t.same(
    listed(frame.blocks, typed).map(({ prefix }) => prefix),
    ['10.0.007.0/24'],
  );
  t.match(screen(typed).join('\n'), /filter \(007\)/);
  t.equal(press('\u001b', typed, frame).look.filter, '', 'escape shows all again');
  t.equal(listed(frame.blocks, { ...look, filter: 'NORTH' }).length, 99, 'a link is found too');

  t.match(press('\r', press('j', look, frame).look, frame), { explain: '10.0.098.0/24' });
  t.equal(press('k', look, frame).look.cursor, 0);
  const opened = screen({ explained });
  t.match(opened.join('\n'), /dwell: postpone: moved 3 min ago/);
  t.equal(press('\u001b', { ...look, explained }, frame).look.explained, undefined);
  t.equal(press('q', look, frame).isEnd, true);
  t.equal(press('q', { ...look, isTyping: true }, frame).isEnd, undefined, 'a letter of a filter');
  t.equal(press('\u0003', { ...look, isTyping: true }, frame).isEnd, true);
  t.end();
});

t.test('the chosen block is always in sight', (t) => {
  for (const cursor of [0, 3, 50, 97, 98]) {
    t.match(screen({ cursor }).join('\n'), new RegExp(`> +10\\.0\\.0*${99 - cursor}\\.0`));
  }
  t.end();
});

t.test('bars and sparklines stay within their frame', (t) => {
  t.same(
    [0, 0.5, 1, 7, -1].map((share) => bar(share).length),
    [12, 12, 12, 12, 12],
  );
  for (const isUtf8 of [false, true]) {
    t.equal(sparkline([], isUtf8).length, 12);
    t.equal(
      sparkline(
        Array.from({ length: 90 }, (_, i) => i / 10 - 1),
        isUtf8,
      ).length,
      12,
    );
  }
  t.end();
});
