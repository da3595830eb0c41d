/** `headgate top` as a person has it: on a real terminal, over a real control socket. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type Answer, openControlServer } from '../../../../src/control/index.ts';
import { ok } from '../../../../src/core/base/result.ts';
import { openTerminal, terminalSkip } from '../../../support/terminal.ts';

t.setTimeout(240_000);
const main = fileURLToPath(new URL('../../../../src/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hg-top-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const socket = join(folder, 'unit.sock');
const at = Date.UTC(2026, 0, 1);

/** A unit with more than fits on a small terminal, whose load grows with every question. */
let load = 0.1;
const linkNames = ['north', 'south', 'east'];
const blocks = Array.from({ length: 60 }, (_, i) => ({
  prefix: `198.51.${i}.0/24`,
  link: i % 3 === 0 ? 'south' : null,
  rung: 1,
  reason: '',
  inbound_bitps: 1e6 * (60 - i),
  outbound_bitps: 1e5,
  inbound: [{ link: 'north', bitps: 1e6 * (60 - i) }],
  outbound: [],
  inbound_bytes: 1,
  outbound_bytes: 1,
}));
const views: Readonly<Record<string, () => unknown>> = {
  status: () => ({
    mode: 'control',
    state: 'attention',
    reasons: [{ what: `link east is down${' and so on'.repeat(20)}`, since: at - 60_000 }],
    started: at,
    at,
    cycles: 7,
    is_withdrawn: false,
    wires: [],
    routers: [],
    plan: { generation: 4, at, steered: 20, blocks: 60 },
  }),
  links: () =>
    linkNames.map((name, i) => ({
      name,
      asn: 65001 + i,
      is_up: name !== 'east',
      capacity_bitps: 1e9,
      inbound_bitps: 1e9 * load,
      outbound_bitps: 1e6,
      utilisation: load,
      inbound_bytes: 0,
      outbound_bytes: 0,
    })),
  blocks: () => blocks,
  plan: () => ({
    mode: 'control',
    generation: 4,
    at,
    is_withdrawn: false,
    blocks: [],
    moves: Array.from({ length: 8 }, (_, i) => ({
      at,
      block: `198.51.${i}.0/24`,
      from: 'north',
      to: 'south',
      rung: 1,
      outcome: 'pending',
      reason: 'north is above what it can carry',
      predicted_shift_bitps: 1e6,
    })),
    stopped: [],
  }),
  sessions: () => ({ live: 3, capacity: 10, links: [] }),
  history: () => ({
    from: 0,
    to: 1,
    moves: [],
    rails: [{ rail: 'dwell', result: 'postpone', count: 7 }],
  }),
  explain: () => ({
    prefix: '198.51.1.0/24',
    at,
    text: `198.51.1.0/24 stays where plain BGP puts it: ${'because of this and that '.repeat(10)}`,
    age_ms: 0,
    coverage: 1,
    candidates: [{ link: 'north', rung: 1, score: 0.5, share: 1, terms: {} }],
    verdicts: [{ rail: 'dwell', result: 'postpone', reason: 'moved 3 min ago' }],
    moves: [],
  }),
};

const serveViews = () =>
  openControlServer({
    socket,
    answers: new Map<string, Answer>(
      Object.entries(views).map(([name, view]) => [name, () => ok(view())]),
    ),
    onFailure: () => {},
    chown: () => {},
  });

const skip = terminalSkip;
t.test(
  'over ssh at 80x24 without colour, when resized, and the terminal is given back',
  { skip },
  async (t) => {
    const server = await serveViews();
    t.teardown(() => server.close());
    const terminal = openTerminal([process.execPath, main, 'top', '--socket', socket], {
      columns: 80,
      rows: 24,
      env: { NO_COLOR: '1', LANG: 'C' },
    });
    t.teardown(terminal.kill);
    const { screen, type, shows } = terminal;

    await shows(/^q end {2}s sort/m);
    const first = screen.lines;
    t.equal(first.length, 24);
    t.match(first[0], /^headgate control, .* 20 of 60 blocks steered/);
    t.match(first[1], /^! link east is down/);
    t.match(screen.text, /^north +\[#\.{9}\] +10 %/m);
    t.match(screen.text, /^east +DOWN/m);
    t.match(screen.text, /rails in the last hour: dwell postpones 7/);
    t.match(first.at(-1), /^q end/, 'the keys stand on the last line');
    t.ok(screen.isAlternate);
    t.notOk(screen.hasCursor);

    load = 0.9;
    await shows(/^north +\[#{9}\.\] +90 %/m);
    type('jj');
    await shows(/^> +198\.51\.2\.0/m);
    type('/51.59.\r');
    await shows(/^> +198\.51\.59\.0\/24/m);
    t.notMatch(screen.text, /^ +198\.51\.2\.0/m, 'the filter leaves the others out');
    type('\u001b');
    await shows(/filter {2}j k/);
    type('s');
    await shows(/s sort \(block\)/);
    type('\r');
    await shows(/^dwell: postpone: moved 3 min ago/m);
    t.match(screen.text, /^esc back/m);

    terminal.resize(60, 12);
    await shows(/^esc back {3}q end$/m);
    type('\u001b');
    // The keys stand on the last line of the smaller screen, and of the larger one.
    await shows(/^(?:.*\n){11}q end {2}s sort \(block\)/);
    terminal.resize(120, 40);
    await shows(/^(?:.*\n){39}q end {2}s sort \(block\)/);
    t.ok(
      screen.lines.filter((line) => /^[> ] +198\.51/.test(line)).length > 15,
      'which shows more',
    );

    t.same([screen.wrapped, screen.scrolled], [0, 0], 'nothing wrapped or scrolled');
    t.same([...screen.unknown], []);
    t.notMatch(
      screen.raw.replaceAll('\u001b', '^'),
      /\^\[[\d;]+m/,
      'no colour was asked for, and none came',
    );
    type('q');
    t.equal(await terminal.ended, 0);
    t.notOk(screen.isAlternate, 'what was there before is there again');
    t.ok(screen.hasCursor);
  },
);

t.test(
  'with colour where the terminal has it; it ends with a reason when the unit goes',
  { skip },
  async (t) => {
    const server = await serveViews();
    const terminal = openTerminal([process.execPath, main, 'top', '--socket', socket], {
      columns: 100,
      rows: 30,
      env: { LANG: 'C.UTF-8' },
    });
    t.teardown(terminal.kill);
    await terminal.shows(/^q end/m);
    t.ok(terminal.screen.raw.includes('\u001b[31m! link east'));
    t.match(terminal.screen.text, /▇|█/, 'finer sparklines');
    await server.close();
    t.equal(await terminal.ended, 1);
    t.notOk(terminal.screen.isAlternate);
    t.match(terminal.screen.text, /headgate: .*unit/);
  },
);

t.test('without a terminal it says what a script uses', async (t) => {
  const run = spawnSync('node', [main, 'top'], { encoding: 'utf8', input: '' });
  t.match(run, { status: 2, stderr: /^headgate: top needs a terminal; .*--json\n$/ });
});
