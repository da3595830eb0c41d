import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { loadSettings } from '../../../src/core/settings/index.ts';

// Dozens of processes, on a machine that may be busy.
t.setTimeout(400_000);

/** The first YAML block of the manual: what a new user copies. */
function settingsOfManual(): string {
  const block = /```yaml\n(.*?)```/s.exec(readFileSync('README.md', 'utf8'))?.[1];
  if (block === undefined) throw new Error('README.md shows no settings');
  return block;
}

t.test('the settings that the manual and the package show are right as printed', async (t) => {
  for (const [name, text] of [
    ['README.md', settingsOfManual()],
    ['headgate.yaml', readFileSync('scripts/packaging/headgate.yaml', 'utf8')],
  ] as const) {
    const loaded = loadSettings(text, name);
    t.match(loaded, { ok: true }, name);
    if (!loaded.ok) continue;
    const { mode, management, routers } = loaded.value;
    t.equal(mode, 'observe', 'a new installation announces nothing');
    t.ok(management.address, 'router-config needs our end of the session');
    t.ok(
      routers.every((router) => router.bgp),
      'the unit holds a session with each router',
    );
  }
});

t.test('every command that the manual names exists', async (t) => {
  const named = [
    ...readFileSync('README.md', 'utf8').matchAll(/(?:scripts\/)?headgate ([a-z][a-z-]+)/g),
  ].map((m) => m[1] ?? '');
  const files = new Set(['status', 'run', ...new Set(named)]);
  // Words that follow the name in a sentence.
  const prose = new Set(['is', 'does', 'in-line', 'measures', 'unit', 'from', 'goes']);
  for (const name of files) {
    if (prose.has(name)) continue;
    t.doesNotThrow(() => readFileSync(`src/cli/${name}.ts`), name);
  }
});

t.test('every command stands in the man page', async (t) => {
  const page = readFileSync('scripts/packaging/headgate.8', 'utf8').replaceAll('\\-', '-');
  const heads = [...page.matchAll(/^\.TP\n\.B (.*)$/gm)].map((match) => match[1]).join(', ');
  const commands = readdirSync('src/cli').filter(
    (name) => name.endsWith('.ts') && name !== 'main.ts',
  );
  for (const name of commands) {
    const command = name.slice(0, -3);
    t.match(heads, new RegExp(`(^|[ ,])${command}([ ,]|$)`), command);
  }
});

/** The commands of the manual's sh blocks, without their comments; `# hardware` marks what cannot be run here. */
const commands = [...readFileSync('README.md', 'utf8').matchAll(/```sh\n(.*?)```/gs)].flatMap(
  ([, block = '']) =>
    block
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => {
        const [text = '', remark] = line.split(/\s+#\s+/);
        return { text, isHardware: remark === 'hardware' };
      }),
);

t.test('every command of the manual does what it says', { timeout: 300_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hg-manual-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const main = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));
  const program = join(folder, 'headgate');
  writeFileSync(program, `#!/bin/sh\nexec node ${main} "$@"\n`);
  chmodSync(program, 0o755);
  writeFileSync(join(folder, 'headgate.yaml'), settingsOfManual());
  const socket = join(folder, 'unit.sock');
  const unitFile = join(folder, 'unit.yaml');
  writeFileSync(
    unitFile,
    `asn: 64512
networks: [198.51.100.0/23]
links: [{ name: north, asn: 65001, capacity: 1G, price: { model: percentile, per_mbps: 0.5 } }]
cycle: { interval: 200ms, average: 400ms }
control: { socket: ${socket} }
history: { path: ${folder}/history.db }
`,
  );
  const env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, HEADGATE_SOCKET: socket };
  const unit = spawn('node', [main, 'run', '--config', unitFile], { stdio: 'ignore' });
  t.teardown(() => unit.kill('SIGKILL'));
  const shell = (text: string) =>
    spawnSync('sh', ['-c', text], { cwd: folder, env, encoding: 'utf8' });
  for (const deadline = Date.now() + 60_000; ; ) {
    const status = shell('headgate status --json');
    if (status.status === 0 && JSON.parse(status.stdout).cycles > 0) break;
    if (Date.now() > deadline) throw new Error(`the unit never measured: ${status.stderr}`);
  }
  const known = shell('headgate --help').stdout;
  t.ok(commands.length > 15);
  t.ok(commands.filter(({ isHardware }) => isHardware).length <= 4, 'few need hardware');
  for (const { text, isHardware } of commands) {
    t.match(known, new RegExp(`^  ${text.split(' ')[1]}`, 'm'), `${text.slice(0, 40)} exists`);
    if (isHardware) continue;
    const { status, stderr } = shell(text);
    t.equal(status, 0, `${text}: ${stderr}`);
  }
});
