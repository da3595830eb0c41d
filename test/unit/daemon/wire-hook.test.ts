import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { followWires, WireHook } from '../../../src/daemon/wire-hook.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-hook-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

/** A program that writes down what it is told. */
function writer(name: string) {
  const path = join(folder, name);
  writeFileSync(path, '');
  const command = ['/bin/sh', '-c', `echo "$@ $HEADGATE_WIRE $HEADGATE_STATE" >>${path}`, 'hook'];
  return { command, told: () => readFileSync(path, 'utf8').trim().split('\n') };
}

t.test('it is told each change once, with the wire and the state', async (t) => {
  const { command, told } = writer('each');
  const failures: string[] = [];
  const onFailure = (...why: readonly string[]) => void failures.push(why.join(' '));
  const hook = new WireHook({ wire: 'core', command, timeoutMs: 10_000, onFailure });
  const clock = new FakeClock(0);
  let state: 'forwarding' | 'down' = 'forwarding';
  const end = followWires({ wireStates: () => [{ wire: 'core', state }] }, [hook], clock);
  await hook.settled();
  clock.advance(1000);
  await hook.settled();
  t.same(told(), ['core ready core ready']);
  state = 'down';
  clock.advance(100);
  await hook.settled();
  state = 'forwarding';
  clock.advance(100);
  await hook.settled();
  await end();
  t.same(
    told().map((line) => line.split(' ')[1]),
    ['ready', 'bypass', 'ready', 'bypass'],
  );
  t.same(failures, []);
});

t.test('what happens while it runs is told by its end: the last state', async (t) => {
  const { command, told } = writer('last');
  const hook = new WireHook({
    wire: 'w',
    command,
    timeoutMs: 10_000,
    onFailure: () => t.fail('it does not fail'),
  });
  for (const event of ['ready', 'bypass', 'ready', 'bypass'] as const) hook.tell(event);
  await hook.settled();
  t.same(
    told().map((line) => line.split(' ')[1]),
    ['ready', 'bypass'],
  );
});

t.test('a program that hangs, fails or is missing is told of, and holds up nothing', async (t) => {
  const failures: string[] = [];
  const onFailure = (_wire: string, _event: string, why: string) => void failures.push(why);
  for (const command of [
    ['/bin/sh', '-c', 'exec sleep 600'],
    ['/bin/sh', '-c', 'exit 3'],
    [join(folder, 'absent')],
  ]) {
    const hook = new WireHook({ wire: 'w', command, timeoutMs: 200, onFailure });
    hook.tell('ready');
    await hook.settled();
  }
  t.equal(failures.length, 3);
  t.equal(failures[0], 'killed after 200 ms');
  t.match(failures[2], /ENOENT/);
});
