import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { whole } from '../../../src/core/base/slices.ts';
import { decide, initialState } from '../../../src/core/decide/index.ts';
import { policyOf } from '../../../src/daemon/configure.ts';
import { observe } from '../../../src/daemon/measure/observe.ts';
import { Recorder } from '../../../src/daemon/recorder.ts';
import type { Cycle, CycleInput } from '../../../src/history/index.ts';
import { settingsOf, twoLinks } from '../../support/settings.ts';
import { snapshotOf } from '../../support/snapshot.ts';

const folder = mkdtempSync(join(tmpdir(), 'hg-recorder-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const settings = settingsOf(twoLinks);
function cycle(at: number): Cycle {
  const policy = policyOf(settings);
  const observation = observe({
    at,
    settings,
    wire: {
      earlier: snapshotOf(0, { inbound: { '198.51.100.0/24 north': 0 } }),
      later: snapshotOf(2000, { inbound: { '198.51.100.0/24 north': 24_000_000 } }),
      ageMs: 0,
    },
  });
  const before = initialState();
  const decision = decide(observation, policy, before);
  return { observation, policy, before, decision, mode: 'control', isCarriedOut: true };
}

t.test('each line is enough to take its decision again', (t) => {
  const path = join(folder, 'deep', 'record.jsonl');
  const recorder = new Recorder({ path, bytesMax: 1e6 });
  const cycles = [cycle(1e12), cycle(1e12 + 2000)];
  for (const one of cycles) whole(recorder.writeSliced(one));
  recorder.close();
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  t.same(
    lines.map((line) => {
      const { observation, policy, before } = JSON.parse(line) as CycleInput;
      return JSON.stringify(decide(observation, policy, before));
    }),
    cycles.map(({ decision }) => JSON.stringify(decision)),
  );
  t.equal(statSync(path).mode & 0o777, 0o600, 'traffic figures are not for everybody');
  t.end();
});

t.test('at its size the file is turned over once', (t) => {
  const path = join(folder, 'turned.jsonl');
  const line = `${JSON.stringify(cycle(1e12))}`.length;
  const recorder = new Recorder({ path, bytesMax: line * 2 });
  for (let i = 0; i < 9; i++) whole(recorder.writeSliced(cycle(1e12 + i)));
  recorder.close();
  t.ok(existsSync(`${path}.1`));
  t.ok(statSync(path).size <= line * 2);
  t.equal(recorder.lost, 0);
  t.end();
});

t.test('a place that cannot be written is told with what to do', (t) => {
  writeFileSync(join(folder, 'file'), '');
  t.throws(() => new Recorder({ path: join(folder, 'file', 'record'), bytesMax: 1 }), {
    code: 'record_failed',
    message: /set record.path/,
  });
  t.end();
});
