/** `headgate setup` as a person at a terminal has it, in a network of its own with frames on the wire. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { loadSettings } from '../../../../src/core/settings/index.ts';
import { openTerminal, terminalSkip } from '../../../support/terminal.ts';

t.setTimeout(240_000);
const main = fileURLToPath(new URL('../../../../src/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hg-setup-terminal-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'headgate.yaml');

const [unit, border] = ['hgsetup-unit', 'hgsetup-border'];
const mac = '02:00:00:00:00:01';
const ip = (...args: readonly string[]) => spawnSync('ip', args, { encoding: 'utf8' });
const clear = () => {
  for (const name of [unit, border]) ip('netns', 'del', name);
};
const skip =
  terminalSkip !== false
    ? terminalSkip
    : process.getuid?.() !== 0
      ? 'needs root: it makes network namespaces'
      : spawnSync('tcpdump', ['--version']).error
        ? 'tcpdump is not installed'
        : false;

/** Ports `mgmt`, `in0` and `out0`; a border router behind `out0` that sends to a host of ours without end. */
function raise(): () => void {
  clear();
  for (const name of [unit, border]) ip('netns', 'add', name);
  const inUnit = ['-n', unit];
  for (const port of ['in0', 'mgmt'])
    ip(...inUnit, 'link', 'add', port, 'type', 'veth', 'peer', 'name', port, 'netns', border);
  ip(...inUnit, 'addr', 'add', '10.0.0.9/24', 'dev', 'mgmt');
  ip(...inUnit, 'link', 'add', 'out0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', border);
  const atBorder = ['-n', border];
  for (const port of ['in0', 'mgmt', 'out0']) ip(...inUnit, 'link', 'set', port, 'up');
  for (const port of ['in0', 'mgmt']) ip(...atBorder, 'link', 'set', port, 'up');
  ip(...atBorder, 'link', 'set', 'eth0', 'address', mac, 'up');
  ip(...atBorder, 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
  ip(...atBorder, 'neigh', 'add', '192.0.2.2', 'lladdr', '02:00:00:00:00:99', 'dev', 'eth0');
  ip(...atBorder, 'route', 'add', 'default', 'via', '192.0.2.2');
  const script = 'while :; do echo x >/dev/udp/198.51.100.7/9; sleep 0.02; done';
  const pid = spawnSync(
    'sh',
    ['-c', `ip netns exec ${border} bash -c '${script}' >/dev/null 2>&1 & echo $!`],
    {
      encoding: 'utf8',
    },
  ).stdout;
  return () => {
    spawnSync('kill', ['-KILL', pid.trim()]);
    clear();
  };
}

t.test(
  'questions for what no option told, with what is heard on the wire; mistakes are asked again',
  { skip },
  async (t) => {
    t.teardown(raise());
    const terminal = openTerminal(
      ['ip', 'netns', 'exec', unit, process.execPath, main, 'setup', '-o', file],
      { columns: 110, rows: 60 },
    );
    t.teardown(terminal.kill);
    const answer = async (question: RegExp, text: string) => {
      await terminal.shows(question);
      terminal.type(`${text}\r`);
    };
    await answer(/^Your AS number:$/m, 'zero');
    await terminal.shows(/expected an AS number from 1 to 4294967295/);
    await answer(/4294967295\nYour AS number:$/m, '64512');
    await answer(/^Management interface \[mgmt\]:/m, 'nowhere0');
    await answer(/there is no interface "nowhere0"\nManagement interface \[mgmt\]:/, '');
    await answer(/^A wire: .*empty ends:/m, 'core=in0,out0');
    await answer(/core=in0,out0\nA wire: /, '');
    await answer(/^Seconds to hear on the wires .*\[10\]:/m, '1');
    await terminal.shows(
      /into out0 send 02:00:00:00:00:01 \(\d+\); to 198\.51\.100\.0\/24 \(\d+\)/,
    );
    await answer(/^A router: /m, 'br1=10.0.0.1');
    await answer(/br1=10\.0\.0\.1\nA router: /, '');
    await answer(/^Learn your networks .*\[no\]:/m, 'perhaps');
    await answer(/expected yes or no\nLearn your networks/, '');
    await answer(/^A network of yours/m, '198.51.100.0/33');
    await terminal.shows(/expected a prefix/);
    await answer(/expected a prefix.*\nA network/, '');
    await answer(/^A link: /m, `north,65001,10G,${mac}`);
    await answer(/north,65001.*\nA link: /, '');
    t.equal(await terminal.ended, 0, terminal.screen.text);
    t.match(terminal.screen.text, /is written; the unit starts in mode observe/);
    const text = readFileSync(file, 'utf8');
    t.match(text, /^# Found: into out0 send 02:00:00:00:00:01/m);
    t.match(text, /^# Found: nobody told your networks/m);
    t.match(loadSettings(text, file), {
      ok: true,
      value: {
        asn: 64512,
        mode: 'observe',
        networks: ['198.51.100.0/24'],
        management: { interface: 'mgmt', address: '10.0.0.9' },
        wires: [{ name: 'core', inside: 'in0', outside: 'out0', place: 'inside' }],
        links: [{ name: 'north', attribute: { wire: 'core', mac }, router: 'br1' }],
        routers: [{ name: 'br1', address: '10.0.0.1' }],
      },
    });
    t.same([...terminal.screen.unknown], []);
  },
);

t.test(
  'who leaves in the middle has written nothing, and is told so',
  { skip: terminalSkip },
  async (t) => {
    const other = join(folder, 'other.yaml');
    writeFileSync(`${other}.kept`, '');
    for (const key of ['\u0004', '\u0003']) {
      const terminal = openTerminal([process.execPath, main, 'setup', '-o', other], {
        columns: 80,
        rows: 24,
      });
      t.teardown(terminal.kill);
      await terminal.shows(/^Your AS number:/m);
      terminal.type(key);
      t.equal(await terminal.ended, 1);
      t.match(terminal.screen.text, /^headgate: nothing was written$/m);
      t.notOk(existsSync(other));
    }
  },
);
