import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import { bitps, linkId, ms, prefixText } from '../../../src/core/base/units.ts';
import { decide, initialState, type State } from '../../../src/core/decide/index.ts';
import type { Observation } from '../../../src/core/model/observation.ts';
import { policyOf } from '../../../src/daemon/configure.ts';
import { type Cycle, History, type HistoryOptions } from '../../../src/history/index.ts';
import { settingsOf, twoLinks } from '../../support/settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'hg-history-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const warnings: string[] = [];
const open = (options: Partial<HistoryOptions> = {}) =>
  new History({
    path: join(folder, `${files++}`, 'history.db'),
    keepMs: 1e12,
    bytesMax: 1e9,
    warn: (message) => warnings.push(message),
    ...options,
  });

const policy = policyOf(settingsOf(twoLinks));
const hour = 3_600_000;

function cycleAt(at: number, before: State = initialState(), load = 99e6): Cycle {
  const sampled = (value: number) => ({
    value: bitps(value),
    ageMs: ms(0),
    coverage: 1,
    source: 'wire' as const,
  });
  const observation: Observation = {
    at: ms(at),
    intervalMs: ms(2000),
    links: ['north', 'south'].map((link) => ({
      link: linkId(link),
      isUp: true,
      capacity: bitps(100e6),
      inbound: sampled(link === 'north' ? load : 0),
      outbound: sampled(0),
      rttUs: { ...sampled(0), value: 20_000 },
    })),
    blocks: ['198.51.100.0/24', '198.51.101.0/24'].map((block) => ({
      block: prefixText(block),
      inbound: [{ link: linkId('north'), rate: bitps(load / 2) }],
      outbound: [],
      ageMs: ms(0),
      coverage: 1,
    })),
  };
  const decision = decide(observation, policy, before);
  return { observation, policy, before, decision, mode: 'control', isCarriedOut: true };
}

t.test('a decision can be taken again from what was kept of it', (t) => {
  const history = open();
  const first = cycleAt(10_000);
  const second = cycleAt(20_000, first.decision.state);
  history.record(first);
  history.record(second);
  t.equal(history.cycleAt(9_999), undefined);
  for (const cycle of [first, second]) {
    const kept = history.cycleAt(cycle.observation.at + 1);
    t.ok(kept);
    const again = kept && decide(kept.observation, kept.policy, kept.before);
    t.equal(JSON.stringify(again), JSON.stringify(cycle.decision));
  }
  t.same(
    [...history.cycles({ from: 0, to: 15_000 })].map((cycle) => cycle.observation.at),
    [10_000],
  );
  history.close();
  t.end();
});

t.test('moves, their outcome and the rails that stopped others are kept', (t) => {
  const history = open();
  const first = cycleAt(5 * hour + 1000);
  history.record(first);
  const done = first.decision.moves.filter((move) => move.outcome === 'pending');
  t.ok(done.length > 0);
  const all = { from: 0, to: 9 * hour };
  t.same(
    history.moves(all, undefined, 10).map((move) => [move.block, move.to, move.outcome]),
    done.reverse().map((move) => [move.block, move.to ?? null, 'pending']),
  );
  const block = done[0]?.block ?? '';
  t.equal(history.moves(all, block, 10).length, 1);
  t.equal(history.moves({ from: 6 * hour, to: 9 * hour }, block, 10).length, 0);
  t.match(
    history.moves(all, block, 10)[0],
    { sharePredicted: null, shareSeen: null },
    'not judged',
  );
  const later: Cycle = {
    ...cycleAt(5 * hour + 2000),
    decision: {
      ...first.decision,
      moves: [],
      verifications: [
        {
          block: prefixText(block),
          to: linkId('south'),
          rung: 1,
          sharePredicted: 0.5,
          shareSeen: 0.75,
          outcome: 'worked',
          reason: '',
        },
      ],
    },
  };
  history.record(later);
  const judged = { outcome: 'worked', sharePredicted: 0.5, shareSeen: 0.75 };
  t.match(history.moves(all, block, 10)[0], judged, 'what was predicted beside what came');
  const stopped = first.decision.moves
    .flatMap((move) => move.verdicts)
    .filter((v) => v.result !== 'pass');
  t.equal(
    history.rails(all).reduce((sum, entry) => sum + entry.count, 0),
    stopped.length,
  );
  history.close();
  t.end();
});

t.test('a proposal that nobody approved is no move', (t) => {
  const history = open();
  history.record({ ...cycleAt(1000), mode: 'advise', isCarriedOut: false });
  t.same(history.moves({ from: 0, to: 1e12 }, undefined, 10), []);
  history.close();
  t.end();
});

t.test('billing samples add up from their parts', (t) => {
  const history = open();
  const part = (at: number, inboundL2: number, coveredMs: number) => ({
    at,
    link: 'north',
    inboundL2,
    outboundL2: 1,
    inboundIp: 0,
    outboundIp: 0,
    coveredMs,
  });
  history.addUsage([part(0, 10, 100_000), part(300_000, 7, 1000)]);
  history.addUsage([part(0, 5, 250_000)]);
  t.match(history.usage({ from: 0, to: 300_000 }), [
    { at: 0, inboundL2: 15, outboundL2: 2, coveredMs: 300_000 },
    { at: 300_000, inboundL2: 7, coveredMs: 1000 },
  ]);
  history.close();
  t.end();
});

t.test('what was remembered survives a kill in the middle of a write', (t) => {
  const path = join(folder, 'killed', 'history.db');
  const source = `
    import { History } from '${new URL('../../../src/history/index.js', import.meta.url).href}';
    const history = new History({ path: '${path}', keepMs: 1e12, bytesMax: 1e9, warn: () => {} });
    for (let i = 0; ; i++) {
      history.remember({ at: i, state: {}, isWithdrawn: false });
      history.addUsage([{ at: 0, link: 'x', inboundL2: 1, outboundL2: 1, inboundIp: 0, outboundIp: 0, coveredMs: 0 }]);
      if (i === 200) process.kill(process.pid, 'SIGKILL');
    }`;
  const child = spawnSync('node', ['--input-type=module', '-e', source]);
  t.equal(child.signal, 'SIGKILL');
  const history = open({ path });
  t.equal(history.recall()?.at, 200);
  t.equal(history.usage({ from: 0, to: 0 })[0]?.inboundL2, 201);
  history.close();
  t.end();
});

t.test('a damaged file, or one of another version, is set aside and a new one begun', (t) => {
  const path = join(folder, 'damaged.db');
  writeFileSync(path, `${'no database at all '.repeat(100)}`);
  const history = open({ path });
  history.remember({ at: 1, state: initialState(), isWithdrawn: true });
  t.equal(history.recall()?.isWithdrawn, true);
  history.close();
  t.match(warnings.at(-1), /set aside/);
  const aside = readdirSync(folder).filter((name) => name.startsWith('damaged.db.'));
  t.equal(aside.length, 1);
  t.match(readFileSync(join(folder, aside[0] ?? ''), 'utf8'), /^no database/);

  const other = new Database(path);
  other.pragma('user_version = 99');
  other.close();
  const again = open({ path });
  t.equal(again.recall(), undefined);
  again.close();
  t.end();
});

t.test('the file stays within its size: decisions without moves go first, samples stay', (t) => {
  const history = open({ bytesMax: 400_000 });
  const blocks = Array.from({ length: 300 }, (_, i) => prefixText(`10.0.${i % 256}.0/24`));
  const quiet = (at: number): Cycle => {
    const cycle = cycleAt(at, initialState(), 1e6);
    const [like] = cycle.observation.blocks;
    const many = like
      ? blocks.map((block, i) => ({
          ...like,
          block,
          inbound: [{ link: linkId('north'), rate: bitps((Math.sin(at + i) + 1) * 1e6) }],
        }))
      : [];
    return { ...cycle, observation: { ...cycle.observation, blocks: many } };
  };
  history.record(cycleAt(1000));
  history.addUsage([
    {
      at: 0,
      link: 'north',
      inboundL2: 1,
      outboundL2: 1,
      inboundIp: 0,
      outboundIp: 0,
      coveredMs: 1,
    },
  ]);
  for (let i = 0; i < 200; i++) history.record(quiet(2000 + i * 1000));
  history.prune(1_000_000);
  const left = [...history.cycles({ from: 0, to: 1e9 })].map((cycle) => cycle.observation.at);
  t.ok(left.length < 150 && left.length > 10, `${left.length} cycles are left`);
  t.equal(left[0], 1000, 'the one with moves is still there');
  t.equal(left.at(-1), 201_000, 'and the newest');
  t.equal(history.usage({ from: 0, to: 1 }).length, 1);
  t.ok(history.bytes < 1_000_000, `${history.bytes} bytes`);
  history.close();
  t.end();
});

t.test('what is older than it should be kept goes', (t) => {
  const history = open({ keepMs: 10_000 });
  for (const at of [1000, 50_000]) {
    history.record(cycleAt(at));
    history.addUsage([
      { at, link: 'n', inboundL2: 1, outboundL2: 1, inboundIp: 0, outboundIp: 0, coveredMs: 1 },
    ]);
  }
  history.prune(55_000);
  t.equal(history.cycleAt(1000), undefined);
  t.equal(history.usage({ from: 0, to: 1e6 }).length, 1);
  t.ok(history.moves({ from: 0, to: 1e6 }, undefined, 99).every((move) => move.at === 50_000));
  history.close();
  t.end();
});

t.test('a full disk loses records, counts them, and keeps what there was', (t) => {
  const path = join(folder, 'full', 'history.db');
  const history = open({ path });
  history.record(cycleAt(1000));
  // SQLite's own limit stands in for the disk's: the same error at the same place.
  history.limitPages(1);
  for (let i = 0; i < 50; i++) history.record(cycleAt(2000 + i));
  t.ok((history.lost.get('cycle SQLITE_FULL') ?? 0) > 0, JSON.stringify([...history.lost]));
  t.ok(history.cycleAt(1000));
  history.limitPages(1_000_000);
  history.record(cycleAt(9000));
  t.equal(history.cycleAt(9000)?.observation.at, 9000, 'and goes on when there is room again');
  history.close();
  t.end();
});
