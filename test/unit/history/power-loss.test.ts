/**
 * Power loss: the files as the disk had them, the log cut after every so many bytes. Whatever was cut, the history
 * opens, is whole up to some moment, and goes on. And files of an earlier version are brought up to date.
 */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import t from 'tap';
import { initialState } from '../../../src/core/decide/index.ts';
import { History } from '../../../src/history/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'hg-history-cut-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const warnings: string[] = [];
const open = (path: string) =>
  new History({
    path,
    keepMs: 1e15,
    bytesMax: 1e9,
    warn: (message) => warnings.push(message),
  });
const usage = (i: number) => ({
  at: i * 300_000,
  link: 'north',
  inboundL2: 1000 + i,
  outboundL2: i,
  inboundIp: i,
  outboundIp: i,
  coveredMs: 300_000,
});
const all = { from: 0, to: 1e15 };

t.test(
  'the log cut at every point: a whole beginning of what was written, never a part of it',
  (t) => {
    const path = join(folder, 'live.db');
    const history = open(path);
    const written = 12;
    for (let i = 0; i < written; i++) {
      // Two tables per step, in two transactions: what was remembered is never ahead of the usage before it.
      history.addUsage([usage(i)]);
      history.remember({ at: i, state: initialState(), isWithdrawn: i % 2 === 1 });
    }
    // The files while they are open, as a power loss leaves them: the log is not yet in the database.
    const base = join(folder, 'base.db');
    copyFileSync(path, base);
    const log = readFileSync(`${path}-wal`);
    history.close();
    const whole = process.env.HEADGATE_LONG === '1';
    const step = whole ? 64 : 1031;
    let most = 0;
    let cuts = 0;
    for (let length = 0; length <= log.length; length += step) {
      const cut = join(folder, 'cut.db');
      rmSync(`${cut}-shm`, { force: true });
      copyFileSync(base, cut);
      // After the cut stands what the disk had there before: nothing, or garbage.
      const rest = cuts % 2 === 0 ? Buffer.alloc(0) : Buffer.alloc(Math.min(900, log.length), 0x5a);
      writeFileSync(`${cut}-wal`, Buffer.concat([log.subarray(0, length), rest]));
      const after = open(cut);
      const kept = after.usage(all).map((entry) => entry.inboundL2);
      const remembered = after.recall()?.at ?? -1;
      const isWhole = kept.every((value, i) => value === 1000 + i);
      if (
        !isWhole ||
        remembered >= kept.length ||
        kept.length < most ||
        kept.length - remembered > 2
      )
        t.fail(
          `cut at ${length}: ${kept.length} samples, remembered ${remembered}, before ${most}`,
        );
      most = kept.length;
      after.addUsage([usage(99)]);
      if (after.usage(all).length !== kept.length + 1 || after.lost.size > 0)
        t.fail(`cut at ${length}: the history does not go on`);
      after.close();
      cuts++;
    }
    t.equal(most, written, 'nothing was cut off at the end');
    t.same(warnings, [], 'no file was set aside');
    t.ok(cuts > 20, `${cuts} cuts`);
    t.end();
  },
);

t.test('a file of version 1 gets the new tables and keeps what it has', (t) => {
  const path = join(folder, 'first.db');
  const first = open(path);
  first.addUsage([usage(1)]);
  first.close();
  const database = new Database(path);
  database.exec(`DROP TABLE shifts; DROP TABLE block_usage;
    ALTER TABLE moves DROP COLUMN share_predicted; ALTER TABLE moves DROP COLUMN share_seen`);
  database.pragma('user_version = 1');
  database.close();
  const second = open(path);
  t.equal(second.usage(all).length, 1);
  second.addShifts([
    { at: 0, link: 'north', inboundL2: 5 },
    { at: 0, link: 'north', inboundL2: -7 },
  ]);
  t.same(second.shifts(all), [{ at: 0, link: 'north', inboundL2: -2 }]);
  const sample = {
    at: 0,
    coveredMs: 300_000,
    coverage: 0.5,
    blocks: [{ block: '198.51.100.0/24', inboundL2: 7, outboundL2: 8 }],
  };
  second.addBlockSample(sample);
  t.same([...second.blockSamples(all)], [sample]);
  t.same(warnings, []);
  second.close();
  t.end();
});
