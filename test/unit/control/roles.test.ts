import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import {
  type Act,
  openControlClient,
  openControlServer,
  socketOf,
} from '../../../src/control/index.ts';
import { isNamed, mayDo, roles } from '../../../src/control/roles.ts';
import { ok } from '../../../src/core/base/result.ts';
import { answersOf } from '../../../src/daemon/face/answers.ts';
import { nameAnswers } from '../../../src/daemon/names.ts';
import { peerOf } from '../../../src/engine/peer.ts';

const folder = mkdtempSync(join(tmpdir(), 'hg-roles-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

t.test('each role may do what those before it may, and no more', async (t) => {
  const may = (role: (typeof roles)[number]) =>
    ['status', 'approve', 'withdraw', 'never_heard_of'].map((command) => mayDo(role, command));
  t.same(may('read'), [true, false, false, false]);
  t.same(may('approve'), [true, true, false, false]);
  t.same(may('control'), [true, true, true, true]);
});

t.test('every command of a unit has a role', async (t) => {
  // Only the names are read: nothing of the unit is asked.
  const unused = {} as never;
  const commands = [...answersOf(unused).keys(), ...[...nameAnswers(unused)].map(([name]) => name)];
  t.ok(commands.length > 10);
  for (const command of commands) t.ok(isNamed(command), `${command} is in src/control/roles.ts`);
});

t.test('a socket for each role, and who did what is told', async (t) => {
  const socket = join(folder, 'control.sock');
  const acts: Act[] = [];
  const given: unknown[] = [];
  const server = await openControlServer({
    socket,
    lesser: [
      { role: 'approve', gid: 10 },
      { role: 'read', gid: 11 },
    ],
    answers: new Map(['status', 'approve', 'withdraw'].map((name) => [name, () => ok(name)])),
    chown: (...args) => given.push(args),
    peerOf,
    onAct: (act) => acts.push(act),
    onFailure: () => undefined,
  });
  const paths = roles.map((role) => socketOf(socket, role));
  t.same(
    paths.map((path) => path.slice(folder.length + 1)),
    ['control-read.sock', 'control-approve.sock', 'control.sock'],
  );
  t.same(
    paths.map((path) => statSync(path).mode & 0o777),
    [0o660, 0o660, 0o600],
  );
  t.same(given, [
    [paths[1], 10],
    [paths[0], 11],
  ]);
  for (const [i, path] of paths.entries()) {
    const client = await openControlClient(path);
    const answers = [];
    for (const command of ['status', 'approve', 'withdraw', 'nonsense']) {
      const answer = await client.ask(command, { why: 'a test' });
      answers.push(answer.ok ? 'done' : answer.error.code);
    }
    client.close();
    t.same(answers, [
      'done',
      i >= 1 ? 'done' : 'refused',
      i >= 2 ? 'done' : 'refused',
      'unknown_command',
    ]);
  }
  t.same(
    acts.map(({ command, caller, result }) => `${caller.role} ${command} ${result}`),
    [
      'read approve refused',
      'read withdraw refused',
      'approve approve done',
      'approve withdraw refused',
      'control approve done',
      'control withdraw done',
    ],
    'what only reads is not told',
  );
  t.ok(
    acts.every(({ caller }) => caller.uid === process.getuid?.() && caller.pid === process.pid),
    'the kernel says who it was',
  );
  await server.close();
  t.notOk(
    paths.some((path) => existsSync(path)),
    'closing removes them',
  );
});
