import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { type Answer, openControlClient, openControlServer } from '../../../src/control/index.ts';
import { LineCutter } from '../../../src/control/lines.ts';
import { parseRequest } from '../../../src/control/protocol.ts';
import { err, ok } from '../../../src/core/base/result.ts';

const folder = mkdtempSync(join(tmpdir(), 'hg-control-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
let sockets = 0;
const newPath = () => join(folder, `${sockets++}.sock`);

const answers = new Map<string, Answer>([
  ['echo', (args) => ok(args)],
  ['refuse', () => err({ code: 'refused', message: 'not now' })],
  ['break', () => Promise.reject(new Error('disk on fire'))],
]);
const open = (socket: string, failures: string[] = []) =>
  openControlServer({
    socket,
    answers,
    chown: () => undefined,
    onFailure: (command, error) => failures.push(`${command}: ${String(error)}`),
  });

t.test('answers, refusals and failures come back to the question they belong to', async (t) => {
  const failures: string[] = [];
  const server = await open(newPath(), failures);
  const client = await openControlClient(`${folder}/${sockets - 1}.sock`);
  const [echo, refusal, failure, unknown] = await Promise.all([
    client.ask('echo', { text: 'ä\n"' }),
    client.ask('refuse'),
    client.ask('break'),
    client.ask('nonsense'),
  ]);
  t.same(echo, ok({ text: 'ä\n"' }));
  t.same(refusal, err({ code: 'refused', message: 'not now' }));
  t.same(failure, err({ code: 'failed', message: 'disk on fire' }));
  t.match(unknown, {
    ok: false,
    error: { code: 'unknown_command', message: /known are break, echo/ },
  });
  t.same(failures, ['break: Error: disk on fire']);
  t.same(Object.fromEntries(server.counts), {
    'echo:done': 1,
    'refuse:refused': 1,
    'unknown_command:unknown_command': 1,
    'break:failed': 1,
  });
  client.close();
  await server.close();
  await server.close();
});

t.test('the socket is for its owner alone, or for a group too', async (t) => {
  const [own, shared] = [newPath(), newPath()];
  const first = await open(own);
  t.equal(statSync(own).mode & 0o777, 0o600);
  const given: unknown[] = [];
  const second = await openControlServer({
    socket: shared,
    gid: 4711,
    answers,
    onFailure: () => undefined,
    chown: (...args) => given.push(args),
  });
  t.equal(statSync(shared).mode & 0o777, 0o660);
  t.same(given, [[shared, 4711]]);
  await first.close();
  await second.close();
  t.notOk(existsSync(own), 'closing removes it');
});

t.test('a second unit is refused, a leftover is cleared, a file is left alone', async (t) => {
  const path = newPath();
  const first = await open(path);
  await t.rejects(open(path), { code: 'socket_in_use' });
  await first.close();
  // A process that was killed leaves the socket: node removes it only on close, so one is made by hand.
  const { execFileSync } = await import('node:child_process');
  execFileSync('python3', ['-c', `import socket; socket.socket(socket.AF_UNIX).bind('${path}')`]);
  t.ok(existsSync(path));
  const second = await open(path);
  await second.close();
  writeFileSync(path, 'precious');
  await t.rejects(open(path), { code: 'socket_failed' });
});

t.test('a client without a unit is told what to do', async (t) => {
  await t.rejects(openControlClient(newPath()), { code: 'no_unit', message: /headgate run/ });
});

t.test('a client waiting for an answer is told when the unit ends', async (t) => {
  const path = newPath();
  const server = await openControlServer({
    socket: path,
    answers: new Map<string, Answer>([['wait', () => new Promise(() => undefined)]]),
    onFailure: () => undefined,
    chown: () => undefined,
  });
  const client = await openControlClient(path);
  const answer = t.rejects(client.ask('wait'), { code: 'unit_gone' });
  await server.close();
  await answer;
});

t.test(
  'other versions and nonsense are refused with a name; an endless line ends the connection',
  async (t) => {
    const path = newPath();
    const server = await open(path);
    const lines = await new Promise<string[]>((resolve) => {
      let text = '';
      const socket = connect(path, () => {
        socket.write('{"v":99,"id":1,"command":"echo"}\nnonsense\n{"v":1,"id":"x"}\n');
        socket.write('y'.repeat(70_000));
      });
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.on('close', () => resolve(text.trim().split('\n')));
    });
    t.same(
      lines.map((line) => JSON.parse(line).error.code),
      ['bad_version', 'bad_request', 'bad_request'],
    );
    t.equal(server.counts.get('too_long'), 1);
    await server.close();
  },
);

t.test('lines come out whole however the bytes are cut', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme' }).map((s) => s.replaceAll('\n', ''))),
      fc.array(fc.nat(30)),
      (lines, cuts) => {
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const cutter = new LineCutter();
        const out: (string | undefined)[] = [];
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          out.push(...cutter.push(bytes.subarray(at, at + cut)));
          at += cut;
        }
        if (JSON.stringify(out) !== JSON.stringify(lines)) throw new Error('lines differ');
      },
    ),
  );
  t.end();
});

t.test('any line is a request or an error', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
      const parsed = parseRequest(line);
      if (!parsed.ok && parsed.error.message === '') throw new Error('no message');
    }),
  );
  t.end();
});

t.test('a unit that is starting says so, whatever it is asked', async (t) => {
  const path = newPath();
  const filling = new Map<string, Answer>();
  const server = await openControlServer({
    socket: path,
    answers: filling,
    onFailure: () => undefined,
    chown: () => undefined,
  });
  const client = await openControlClient(path);
  t.match(await client.ask('status'), {
    ok: false,
    error: { code: 'starting', message: /ask again/ },
  });
  filling.set('status', () => ok('well'));
  t.same(await client.ask('status'), ok('well'));
  client.close();
  await server.close();
});
