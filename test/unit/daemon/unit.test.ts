import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openControlClient, readAudit, verifyAudit } from '../../../src/control/index.ts';
import { HeadgateError } from '../../../src/core/base/error.ts';
import { prefixText, routerId } from '../../../src/core/base/units.ts';
import type { Desired } from '../../../src/core/bgp/announcement.ts';
import { AdjRibIn } from '../../../src/core/bgp/rib/adj-rib-in.ts';
import { type Parts, startUnit } from '../../../src/daemon/start.ts';
import type { Speaker } from '../../../src/speaker/index.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { settingsOf, twoLinks } from '../../support/settings.ts';
import { snapshotOf } from '../../support/snapshot.ts';

const folder = mkdtempSync(join(tmpdir(), 'hg-unit-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
let units = 0;

/** A world of two wires: 99 Mbit/s come in by north, whatever is announced. */
function world(mode = 'control', more = '') {
  const place = join(folder, `${units++}`);
  const text = `${twoLinks.replace('mode: control', `mode: ${mode}`)}
control: { socket: ${place}/unit.sock }
history: { path: ${place}/history.db }
metrics: { listen: 127.0.0.1:0 }
cycle: { interval: 1s, average: 2s }
rails: { share_per_round: 100% }
${more}`;
  const clock = new FakeClock(1_700_000_000_000);
  const log: string[] = [];
  const order: string[] = [];
  const averagesMs: number[] = [];
  let desired: Desired = new Map();
  let engineFails = false;
  /** Blocks of the table that the wires were given last. */
  let counted: readonly string[] | undefined;
  const note = (_: object, message: string) => log.push(message);
  // The world is what is not ours: a network card and a router, reduced to what they would say.
  const speaker: Pick<
    Speaker,
    | 'start'
    | 'stop'
    | 'setDesired'
    | 'withdrawAll'
    | 'resume'
    | 'sessions'
    | 'routesFrom'
    | 'ownRoutes'
    | 'announced'
    | 'changes'
    | 'rib'
  > = {
    start: async () => undefined,
    stop: async () => {
      order.push('speaker');
    },
    setDesired: (wanted) => {
      desired = wanted;
    },
    withdrawAll: () => order.push('withdrawn'),
    resume: () => order.push('resumed'),
    sessions: () => [],
    routesFrom: () => [],
    ownRoutes: () => [],
    announced: () => [],
    changes: () => ({ next: 1, lost: 0, changes: [] }),
    rib: new AdjRibIn(),
  };
  const parts: Parts = {
    clock,
    log: { debug: note, info: note, warn: note, error: note },
    openWires: ({ tables }) => {
      const snapshot = () => {
        if (engineFails) throw new HeadgateError('wire_gone', 'the card was pulled');
        const ms = clock.now();
        const bytes = Math.round((ms * 99e6) / 8000);
        counted ??= tables.blocks;
        const [first, second] = counted;
        if (counted.length === 1) return snapshotOf(ms, { inbound: { [`${first} north`]: bytes } });
        if (!counted.includes(prefixText('198.51.100.0/24'))) {
          const half = Math.round(bytes / 2);
          const inbound = { [`${first} north`]: half, [`${second} north`]: half };
          return snapshotOf(ms, { inbound });
        }
        return snapshotOf(ms, {
          inbound: {
            '198.51.100.0/24 north': Math.round(bytes * 0.6),
            '198.51.101.0/24 north': Math.round(bytes * 0.4),
            '198.51.100.0/24 south': 0,
          },
        });
      };
      return {
        publish: ({ blocks }) => {
          counted = blocks;
          order.push('published');
        },
        *publishSliced({ blocks }) {
          yield;
          counted = blocks;
          order.push('published');
          return Promise.resolve();
        },
        *prepare() {},
        readjust: async () => {},
        wireStates: () => [],
        snapshot,
        *snapshotSliced() {
          yield;
          return snapshot();
        },
        *blockRtts(averageMs) {
          yield;
          averagesMs.push(averageMs);
          return {
            overMs: averageMs,
            of: (block) =>
              block.startsWith('198.51.100.')
                ? { samples: 64, p50Us: 20_000, p95Us: 45_000 }
                : { samples: 3, p50Us: undefined, p95Us: undefined },
          };
        },
        networks: () => [],
        halves: () => ({ segments: [], lost: 0 }),
        heaviest: () => [],
        findings: [],
        close: () => order.push('engine'),
      };
    },
    // A cast: the parts of the speaker that a unit does not use are left out.
    createSpeaker: () => speaker as Speaker,
    sockets: {
      openSocket: () => Promise.reject(new Error('not here')),
      openListener: () => Promise.reject(new Error('not here')),
    },
    addressesOf: () => [],
    readSecret: () => '',
    chown: () => undefined,
    groupId: () => 0,
  };
  return {
    place,
    text,
    clock,
    log,
    order,
    parts,
    settings: settingsOf(text),
    averagesMs,
    announced: () => desired.get(routerId('br1')) ?? [],
    failEngine: (fails: boolean) => {
      engineFails = fails;
    },
    ask: async (command: string, args = {}) => {
      const client = await openControlClient(`${place}/unit.sock`);
      const answer = await client.ask(command, args);
      client.close();
      // A cast: each test knows the view that it asked for.
      return answer as { ok: boolean; value: never; error: { code: string; message: string } };
    },
  };
}

t.test('a unit in control measures, announces, moves, and says so', async (t) => {
  const here = world();
  const unit = await startUnit(here.settings, here.parts);
  here.clock.advance(2000);
  const blocks = here.announced();
  t.same(
    blocks.map((entry) => entry.prefix),
    ['198.51.100.0/24', '198.51.101.0/24'],
  );
  const communities = blocks.flatMap((entry) => entry.largeCommunities.map((c) => c.join(':')));
  t.ok(communities.includes('64512:1:1'), 'one prepend towards north, the first link');
  t.match((await here.ask('status')).value, { mode: 'control', plan: { blocks: 2 }, cycles: 2 });
  t.match((await here.ask('links')).value, [
    { name: 'north', inbound_bitps: 99e6, utilisation: 0.99, coverage: 1 },
    { name: 'south', inbound_bitps: 0 },
  ]);
  t.match((await here.ask('plan')).value, { moves: [{ to: 'south', outcome: 'pending' }] });
  const explained = (await here.ask('explain', { prefix: '198.51.100.0/24' })).value;
  t.match(explained, { prefix: '198.51.100.0/24', candidates: [{ rung: Number }] });
  t.match((await here.ask('history', { samples: true })).value, {
    moves: [{ to: 'south' }],
    usage: [{ link: 'north', covered_ms: 2000, inbound_bytes: 24_750_000 }],
  });
  await unit.stop();
  await unit.stop();
  t.same(here.order, ['speaker', 'engine'], 'announcements end before packets do');
});

t.test('blocks are shown with the round trips of the averaging time, once a cycle', async (t) => {
  const here = world();
  const unit = await startUnit(here.settings, here.parts);
  const [first] = (await here.ask('blocks')).value as readonly object[];
  t.notHas(first, { rtt_us: {} }, 'before the first cycle nothing is known');
  here.clock.advance(2000);
  const near = { over_ms: 2000, samples: 64, p50: 20_000, p95: 45_000 };
  t.match((await here.ask('blocks')).value, [
    { prefix: '198.51.100.0/24', rtt_us: near },
    { prefix: '198.51.101.0/24', rtt_us: { over_ms: 2000, samples: 3, p50: null, p95: null } },
  ]);
  const explained = async (args: object) =>
    (await here.ask('explain', { prefix: '198.51.100.0/24', ...args })).value;
  t.match(await explained({}), { rtt_us: near });
  t.notHas(await explained({ at: here.clock.wall() }), { rtt_us: {} }, 'of now, not of then');
  t.same(here.averagesMs, [2000, 2000], 'whoever asks changes nothing');
  await unit.stop();
});

t.test('in observe nothing is announced, ever', async (t) => {
  const here = world('observe');
  const unit = await startUnit(here.settings, here.parts);
  here.clock.advance(60_000);
  t.same(here.announced(), []);
  t.ok(here.log.some((line) => line.startsWith('would move')));
  await unit.stop();
});

t.test('in advise the approval of the proposal announces it', async (t) => {
  const here = world('advise');
  const unit = await startUnit(here.settings, here.parts);
  here.clock.advance(3000);
  t.same(here.announced(), []);
  const { proposal } = (await here.ask('plan')).value as { proposal: { id: string } };
  t.match(await here.ask('approve', { id: 'ffffffff' }), { ok: false, error: { code: 'refused' } });
  t.match(await here.ask('approve', { id: proposal.id }), { ok: true });
  t.equal(here.announced().length, 2);
  t.equal(((await here.ask('history')).value as { moves: unknown[] }).moves.length > 0, true);
  await unit.stop();
});

t.test('withdraw --all holds over a restart, until resume', async (t) => {
  const here = world();
  const unit = await startUnit(here.settings, here.parts);
  here.clock.advance(2000);
  t.match(await here.ask('withdraw', { all: true }), { ok: true });
  t.same(here.announced(), []);
  t.ok(here.order.includes('withdrawn'));
  await unit.stop();
  const again = await startUnit(here.settings, here.parts);
  here.clock.advance(5000);
  t.same(here.announced(), []);
  t.match((await here.ask('status')).value, {
    is_withdrawn: true,
    reasons: [{ what: /withdrawn by the operator/ }],
  });
  await here.ask('resume');
  here.clock.advance(2000);
  t.equal(here.announced().length, 2);
  await again.stop();
});

t.test('a restart announces the plan in force before it has measured anything', async (t) => {
  const here = world();
  const unit = await startUnit(here.settings, here.parts);
  here.clock.advance(2000);
  const before = JSON.stringify(here.announced());
  await unit.stop();
  const again = await startUnit(here.settings, here.parts);
  t.equal(JSON.stringify(here.announced()), before);
  await again.stop();
  here.clock.advance(24 * 3_600_000);
  const late = await startUnit(here.settings, here.parts);
  t.same(here.announced(), [], 'but not a day later');
  await late.stop();
});

t.test('without counters the unit freezes, says so, and recovers', async (t) => {
  const here = world('control', 'time_scale: 100');
  const unit = await startUnit(here.settings, here.parts);
  here.clock.advance(5000);
  t.match((await here.ask('status')).value, { state: 'ok' });
  here.failEngine(true);
  here.clock.advance(20_000);
  t.match((await here.ask('status')).value, {
    state: 'attention',
    reasons: [{ what: /nothing is moved/ }],
  });
  here.failEngine(false);
  here.clock.advance(5000);
  t.match((await here.ask('status')).value, { state: 'ok' });
  t.ok(here.log.some((line) => line.startsWith('over: nothing is moved')));
  await unit.stop();
});

t.test('a component that cannot be opened leaves nothing open', async (t) => {
  const here = world();
  const failing: Parts = {
    ...here.parts,
    createSpeaker: () => {
      throw new HeadgateError('no_sockets', 'out of sockets');
    },
  };
  await t.rejects(startUnit(here.settings, failing), { code: 'no_sockets' });
  t.same(here.order, ['engine']);
  const unit = await startUnit(here.settings, here.parts);
  await unit.stop();
});

t.test('a second unit at the same socket is refused before it touches a wire', async (t) => {
  const here = world();
  const unit = await startUnit(here.settings, here.parts);
  await t.rejects(startUnit(here.settings, here.parts), { code: 'socket_in_use' });
  t.same(here.order, []);
  await unit.stop();
});

t.test('settings are reloaded whole, or refused whole', async (t) => {
  const here = world();
  const unit = await startUnit(here.settings, here.parts);
  here.clock.advance(2000);
  const other = settingsOf(
    here.text.replace('wires:', 'pins: [{ block: 198.51.101.0/24, link: south }]\nwires:'),
  );
  t.same(await unit.reload(other, 'a test'), { ok: true, value: ['pins'] }, 'what changed is told');
  t.ok(here.order.includes('published'));
  const wired = settingsOf(
    here.text.replace('inside: eth1', 'inside: eth9').replace('mode: control', 'mode: observe'),
  );
  t.match(await unit.reload(wired, 'a test'), { ok: false, error: /^wires cannot change/ });
  t.match((await here.ask('status')).value, { mode: 'control' });
  t.ok(
    (await unit.reload(settingsOf(here.text.replace('mode: control', 'mode: observe')), 'a test'))
      .ok,
  );
  t.same(here.announced(), [], 'observe announces nothing');
  await unit.stop();
});

t.test('cycles that were missed are left out, not made up for', async (t) => {
  const here = world();
  const unit = await startUnit(here.settings, here.parts);
  here.clock.jump(10_000);
  here.clock.advance(0);
  t.match((await here.ask('status')).value, { cycles: 1 });
  here.clock.advance(1000);
  t.match((await here.ask('status')).value, { cycles: 2 });
  await unit.stop();
});

t.test('a block too heavy to place is cut in two, over a restart too', async (t) => {
  const here = world('control', 'regroup: { interval: 60s, heavy: 20%, light: 0% }');
  const whole = settingsOf(
    here.text
      .replace('blocks: { ipv4: 24 }', 'blocks: { ipv4: 23 }')
      // A block is not cut while a move of it is being judged.
      .replace('share_per_round: 100%', 'moves_per_hour: 0'),
  );
  const unit = await startUnit(whole, here.parts);
  here.clock.advance(5000);
  t.same(
    here.announced().map((entry) => entry.prefix),
    ['198.51.100.0/23'],
  );
  here.clock.advance(60_000);
  const halves = ['198.51.100.0/24', '198.51.101.0/24'];
  t.same(
    here.announced().map((entry) => entry.prefix),
    halves,
  );
  t.match((await here.ask('plan')).value, {
    regroupings: [{ kind: 'split', blocks: halves, reason: /99\.0 Mb\/s/ }],
  });
  t.match(
    (await here.ask('blocks')).value,
    halves.map((prefix) => ({ prefix })),
  );
  t.ok(here.log.some((line) => line.startsWith('regrouped: ')));
  t.ok((await unit.reload(whole, 'a test')).ok, 'the same file read again leaves the halves');
  here.clock.advance(2000);
  t.same(
    here.announced().map((entry) => entry.prefix),
    halves,
  );
  await unit.stop();

  const again = await startUnit(whole, here.parts);
  t.same(
    here.announced().map((entry) => entry.prefix),
    halves,
    'announced before anything is measured',
  );
  await again.stop();
});

t.test(
  'the live page is served only where settings ask for it, and only for reading',
  async (t) => {
    for (const page of [false, true]) {
      const here = world();
      const text = here.text.replace('listen: 127.0.0.1:0', `listen: 127.0.0.1:0, page: ${page}`);
      const unit = await startUnit(settingsOf(text), here.parts);
      here.clock.advance(2000);
      const at = `http://127.0.0.1:${unit.metrics?.port}/`;
      const response = await fetch(at);
      t.equal(response.status, page ? 200 : 404);
      const html = await response.text();
      if (page) {
        t.match(html, /http-equiv="refresh"/);
        t.match(html, /id="link-north"/);
        t.match(response.headers.get('content-security-policy'), /default-src 'none'/);
      }
      t.equal((await fetch(at, { method: 'POST', body: 'x' })).status, page ? 405 : 404);
      await unit.stop();
    }
  },
);

t.test('commands and announcements are in the audit log, with who and why', async (t) => {
  const here = world();
  const unit = await startUnit(here.settings, here.parts);
  here.clock.advance(2000);
  await here.ask('withdraw', { all: true, why: 'ticket 7' });
  t.match(await here.ask('reload'), { ok: false, error: { message: /not started from a file/ } });
  await unit.stop();
  const verified = verifyAudit(readAudit(join(here.place, 'audit.log')));
  if (!verified.ok) throw new Error(verified.error.message);
  const { records } = verified.value;
  t.equal(records[0]?.what, 'start');
  const announced = records.findIndex(({ what }) => what === 'announce');
  const change = { router: 'br1', prefix: '198.51.100.0/24', change: 'announced', why: String };
  t.match(records[announced]?.detail, { changes: [change] });
  const command = records.findIndex(({ detail }) => detail?.command === 'withdraw');
  t.match(records[command], { why: 'ticket 7', detail: { result: 'done' } });
  const last = records.findLast(({ what }) => what === 'announce');
  t.match(last?.detail, { changes: [{ change: 'withdrawn' }] });
  t.match(
    records.find(({ detail }) => detail?.command === 'reload'),
    { detail: { result: 'refused' } },
  );
  t.equal(records.at(-1)?.what, 'stop');
});
