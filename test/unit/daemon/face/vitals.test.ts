import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { AuditLog, verifyAudit } from '../../../../src/control/index.ts';
import { whole } from '../../../../src/core/base/slices.ts';
import type { Memory } from '../../../../src/daemon/components.ts';
import { Diary } from '../../../../src/daemon/face/diary.ts';
import { Vitals } from '../../../../src/daemon/face/vitals.ts';
import { Recorder } from '../../../../src/daemon/recorder.ts';
import { type Cycle, History } from '../../../../src/history/index.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const folder = mkdtempSync(join(tmpdir(), 'hg-vitals-'));
t.teardown(() => {
  spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true, force: true });
});
const cycleMs = 1000;

/** A unit's vitals, with everything that it looks at in the hands of the test. */
function open(place: string) {
  const world: { memory: Memory | undefined; lines: number; stepMs: number } = {
    memory: undefined,
    lines: 0,
    stepMs: 0,
  };
  const hands = new FakeClock(1e12);
  const clock = { ...hands, now: hands.now, wall: () => hands.wall() + world.stepMs };
  const log = new AuditLog(join(place, 'audit.log'));
  const diary = new Diary(log, clock.wall, String);
  const recorder = new Recorder({ path: join(place, 'record.jsonl'), bytesMax: 1e9 });
  const history = new History({
    path: join(place, 'history.db'),
    keepMs: 1e9,
    bytesMax: 1e9,
    warn: () => undefined,
  });
  const vitals = new Vitals(
    { clock, memory: () => world.memory, logLost: () => world.lines },
    { history, recorder, dump: undefined, diary },
  );
  const look = () => {
    hands.jump(cycleMs);
    diary.tend();
    return Object.fromEntries(vitals.look(cycleMs));
  };
  const close = () => {
    diary.close();
    recorder.close();
    history.close();
  };
  return { world, vitals, diary, recorder, history, look, close };
}

t.test('a clock that is set is told for ten cycles, one that is kept right never', async (t) => {
  const { world, look, close } = open(join(folder, 'clock'));
  for (let i = 0; i < 100; i++) {
    world.stepMs += 50;
    t.same(look(), {}, 'slewed');
  }
  world.stepMs += 3_600_000;
  for (let i = 0; i <= 10; i++) t.match(look(), { clock: /set by 3600 s forward/ }, `cycle ${i}`);
  t.same(look(), {});
  world.stepMs -= 60_000;
  t.match(look(), { clock: /set by 60 s back/ });
  close();
});

t.test('memory, a log that nobody takes, settings that were refused', async (t) => {
  const { world, vitals, look, close } = open(join(folder, 'rest'));
  world.memory = { used: 80e6, limit: 100e6 };
  t.same(look(), {});
  world.memory = { used: 95e6, limit: 100e6 };
  t.same(look(), { memory: 'memory is short: 95 of 100 MB' });
  world.memory = undefined;
  world.lines = 7;
  t.same(look(), { log: 'nobody takes the log: 7 lines were given up' });
  t.same(look(), {}, 'over when no more are lost');
  vitals.refusedSettings = 'line 3';
  t.same(look(), { reload: 'the settings on the disk are not in force: line 3' });
  vitals.refusedSettings = undefined;
  t.same(look(), {});
  close();
});

t.test(
  'a full disk is told by what it loses, is over when there is room, and the audit log says what it lacks',
  { skip: process.getuid?.() === 0 ? false : 'needs root: it mounts a small file system' },
  async (t) => {
    const place = join(folder, 'full');
    mkdirSync(place);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1M', 'hgvitals', place]);
    if (mounted.status !== 0) return t.pass('a small disk', { skip: 'mounting is not allowed' });
    t.teardown(() => spawnSync('umount', [place]));
    const { diary, recorder, look, close } = open(place);
    // A cast: the recorder writes what it is given, whatever its size is made of.
    const cycle = (size: number) => ({ observation: 'x'.repeat(size) }) as unknown as Cycle;
    const write = (entry: Cycle) => whole(recorder.writeSliced(entry));
    diary.started({});
    write(cycle(100));
    t.same(look(), {});
    const filler = join(place, 'filler');
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k']);
    // What is left of the last pages holds a few records more.
    for (let i = 0; i < 40; i++) diary.started({ i, text: 'x'.repeat(200) });
    write(cycle(10_000));
    t.match(look(), {
      audit: /^the audit log lacks \d+ records/,
      record: 'the record of decisions is not written: its disk refuses',
    });
    rmSync(filler);
    t.same(look(), {}, 'over');
    write(cycle(100));
    diary.stopped();
    close();
    const verified = verifyAudit(readFileSync(join(place, 'audit.log'), 'utf8'));
    if (!verified.ok) throw new Error(verified.error.message);
    const { records } = verified.value;
    const lost = records.reduce((sum, record) => sum + (record.lost ?? 0), 0);
    t.equal(
      records.filter(({ what }) => what === 'start').length + lost,
      41,
      'all are accounted for',
    );
    t.same(
      records.slice(-2).map(({ what }) => what),
      ['gap', 'stop'],
    );
    const lines = readFileSync(join(place, 'record.jsonl'), 'utf8').trimEnd().split('\n');
    t.equal(lines.length, 2);
    for (const line of lines) t.doesNotThrow(() => JSON.parse(line), 'no half line');
  },
);
