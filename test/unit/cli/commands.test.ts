import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { twoLinks } from '../../support/settings.ts';

const main = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hg-cli-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const socket = join(folder, 'unit.sock');
// Dozens of processes, on a machine that may be busy.
t.setTimeout(400_000);

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function headgate(...args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn('node', [main, ...args], {
      env: { ...process.env, HEADGATE_SOCKET: socket },
    });
    const out = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => {
      out.stdout += String(chunk);
    });
    child.stderr.on('data', (chunk) => {
      out.stderr += String(chunk);
    });
    child.on('close', (code) => resolve({ code, ...out }));
  });
}

/** Settings of a unit that needs no wire and no router. */
const settings = (more: string) => `asn: 64512
${more}
networks: [198.51.100.0/23]
links:
  - { name: north, asn: 65001, capacity: 100M, price: { model: percentile, per_mbps: 0.5 } }
  - { name: south, asn: 65002, capacity: 100M }
cycle: { interval: 200ms, average: 400ms }
control: { socket: ${socket} }
history: { path: ${folder}/history.db }
`;
const file = join(folder, 'headgate.yaml');

t.test(
  'wrong use is exit code 2 and one line that says what would be right',
  {
    timeout: 60_000,
  },
  async (t) => {
    const cases: ReadonlyArray<readonly [readonly string[], RegExp]> = [
      [['stats'], /unknown command 'stats' \(Did you mean status\?\)/],
      [['explain'], /missing required argument 'prefix'/],
      [['links', '--jsn'], /unknown option '--jsn' \(Did you mean --json\?\)/],
      [['withdraw'], /expected --all, or the prefixes/],
      [['history', '--limit', '0'], /--limit takes a whole number/],
      [['explain', '198.51.100.0/24', '--at', 'noon'], /"noon" is no time/],
    ];
    for (const [args, message] of cases) {
      const { code, stdout, stderr } = await headgate(...args);
      t.equal(code, 2, args.join(' '));
      t.match(stderr, message);
      t.match(stderr, /^headgate: [^\n]+\n$/, 'one line');
      t.equal(stdout, '');
    }
  },
);

t.test('without a unit, or without a file, exit code 1 and what to do', async (t) => {
  const none = await headgate('status', '--json');
  t.match(none, { code: 1, stdout: '', stderr: /^headgate: no unit answers at .*headgate run/ });
  const missing = await headgate('run', '--config', join(folder, 'nowhere.yaml'));
  t.match(missing, { code: 1, stderr: /^headgate: cannot read .*no such file/ });
});

t.test(
  'check says what will happen, or what is wrong and where',
  { timeout: 60_000 },
  async (t) => {
    writeFileSync(file, twoLinks);
    const right = await headgate('check', file);
    t.match(right, {
      code: 0,
      stderr: '',
      stdout: /mode control: measures, plans and announces by itself/,
    });
    const json = JSON.parse((await headgate('check', '--json', file)).stdout);
    t.match(json, { ok: true, errors: [] });
    writeFileSync(file, twoLinks.replace('100M', '100X').replace('mode: control', 'mode: contrl'));
    const wrong = await headgate('check', file);
    t.equal(wrong.code, 1);
    t.equal(wrong.stdout, '');
    t.same(
      wrong.stderr
        .trim()
        .split('\n')
        .map((line) => line.slice(file.length + 1).split(':')[0]),
      ['3', '11'],
    );
    const told = JSON.parse((await headgate('check', '--json', file)).stdout);
    t.match(told, {
      ok: false,
      errors: [
        { line: 3, path: 'mode' },
        { line: 11, path: 'links[0].capacity' },
      ],
    });
    const run = await headgate('run', '--config', file);
    t.match(run, {
      code: 1,
      stderr: /^headgate: .*:3:7: mode: expected observe.* \(and 1 more: headgate check/,
    });
  },
);

t.test(
  'a running unit answers every reading command, as text and as one JSON value',
  {
    timeout: 300_000,
  },
  async (t) => {
    writeFileSync(file, settings('mode: advise'));
    const unit = spawn('node', [main, 'run', '--config', file]);
    t.teardown(() => unit.kill('SIGKILL'));
    let log = '';
    unit.stderr.on('data', (chunk) => {
      log += String(chunk);
    });
    const ended = new Promise<number | null>((resolve) => unit.on('close', resolve));
    const until = async (what: string, isSo: () => boolean | Promise<boolean>) => {
      for (const deadline = Date.now() + 30_000; !(await isSo()); ) {
        if (Date.now() > deadline) throw new Error(`never ${what}: ${log}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    await until('running', () => log.includes('"running"'));
    await until(
      'measuring',
      async () => JSON.parse((await headgate('status', '--json')).stdout).cycles > 0,
    );

    const asText = [
      ...[['sessions'], ['resolvers'], ['usage', '--groups'], ['plan', '--diff']],
      ...[['plan', '--exact']],
    ];
    // As text they stand in the manual, whose test runs them.
    const inManual = [['status'], ['blocks'], ['plan'], ['history'], ['bill']];
    for (const command of asText) {
      t.match(await headgate(...command), { code: 0, stderr: '', stdout: /\S/ }, command.join(' '));
    }
    for (const command of [...asText, ...inManual, ['explain', '198.51.100.0/24']]) {
      const json = await headgate(...command, '--json');
      t.match(json, { code: 0, stderr: '' }, command.join(' '));
      t.doesNotThrow(() => JSON.parse(json.stdout), command.join(' '));
    }
    t.match(JSON.parse((await headgate('links', '--json')).stdout), [
      { name: 'north', asn: 65001, capacity_bitps: 100e6 },
      { name: 'south' },
    ]);
    t.match(await headgate('approve'), { code: 1, stderr: /nothing waits for approval/ });
    t.match(await headgate('explain', '192.0.2.0/24'), { code: 1, stderr: /none of our blocks/ });
    t.match(await headgate('explain', 'nonsense'), { code: 2, stderr: /"nonsense" is no prefix/ });
    t.match(await headgate('withdraw', '--all'), { code: 0 });
    t.match(JSON.parse((await headgate('status', '--json')).stdout), { is_withdrawn: true });
    t.match(await headgate('resume'), { code: 0 });

    writeFileSync(file, settings('mode: observe'));
    unit.kill('SIGHUP');
    await until(
      'reloaded',
      async () => JSON.parse((await headgate('status', '--json')).stdout).mode === 'observe',
    );
    writeFileSync(file, settings('mode: nonsense'));
    unit.kill('SIGHUP');
    await until('refused', () => log.includes('settings are not reloaded'));
    t.match(JSON.parse((await headgate('status', '--json')).stdout), { mode: 'observe' });

    unit.kill('SIGTERM');
    t.equal(await ended, 0, log);
    t.match(await headgate('status'), { code: 1 });

    // What it decided can be decided again from its history, without it.
    const days = ['2000-01-01T00:00:00Z', '2100-01-01T00:00:00Z'];
    const again = await headgate('replay-decisions', ...days, '--config', file, '--json');
    t.match(again, { code: 1, stderr: /nonsense|expected observe/ }, 'settings that are wrong');
    writeFileSync(file, settings('mode: advise'));
    const replayed = await headgate('replay-decisions', ...days, '--config', file, '--json');
    t.match(replayed, { code: 0, stderr: '' });
    t.ok(JSON.parse(replayed.stdout).cycles > 0);
    t.match(await headgate('replay-decisions', ...days, '--config', file, '--policy', file), {
      code: 0,
      stdout: /decided again/,
    });
    t.match(await headgate('replay-decisions', 'never', 'ever'), { code: 2, stderr: /is no time/ });
  },
);
