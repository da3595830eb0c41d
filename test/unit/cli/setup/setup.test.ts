import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { networksFromRouter, readHeard } from '../../../../src/cli/setup/learn.ts';
import { renderFirstSettings } from '../../../../src/cli/setup/render.ts';
import { loadSettings } from '../../../../src/core/settings/index.ts';

const main = fileURLToPath(new URL('../../../../src/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hg-setup-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'headgate.yaml');

const setup = (...args: readonly string[]) =>
  spawnSync('node', [main, 'setup', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
const all = [
  ...['--asn', '64512', '--network', '198.51.100.0/22', '--network', '2001:db8::/32'],
  ...['--wire', 'core=eth1,eth2'],
  ...[
    '--link',
    'north,65001,10G,02:00:00:00:00:01',
    '--link',
    'south,65002,500M,02:00:00:00:00:02',
  ],
];

t.test(
  'flags become settings with comments that check takes, in mode observe',
  { timeout: 60_000 },
  async (t) => {
    const written = setup('-o', file, ...all);
    t.match(written, {
      status: 0,
      stderr: '',
      stdout: /is written; the unit starts in mode observe/,
    });
    t.match(
      written.stdout,
      /FAIL wire core: there is no interface eth1/,
      'the doctor looks at once',
    );
    const text = readFileSync(file, 'utf8');
    t.equal(statSync(file).mode & 0o777, 0o640);
    t.ok(text.split('\n').filter((line) => line.startsWith('#')).length > 12);
    t.match(loadSettings(text, file), {
      ok: true,
      value: {
        asn: 64512,
        mode: 'observe',
        networks: ['198.51.100.0/22', '2001:db8::/32'],
        wires: [{ name: 'core', inside: 'eth1', outside: 'eth2', place: 'inside' }],
        links: [
          { name: 'north', capacity: 1e10, attribute: { wire: 'core', mac: '02:00:00:00:00:01' } },
          { name: 'south', capacity: 5e8 },
        ],
      },
    });
    t.match(setup('-o', file, ...all), { status: 1, stderr: /exists; --force replaces it/ });
    t.equal(readFileSync(file, 'utf8'), text);
  },
);

t.test('routers, and a wire per provider', async (t) => {
  const text = renderFirstSettings({
    asn: 64512,
    networks: ['198.51.100.0/22'],
    management: { interface: 'eth0', address: '10.0.0.9' },
    wires: [{ name: 'n', inside: 'eth1', outside: 'eth2', place: 'link' }],
    links: [{ name: 'north', asn: 65001, capacity: '1G', wire: 'n' }],
    routers: [{ name: 'br1', address: '10.0.0.1' }],
    findings: ['eth1 02:00:00:00:00:09'],
  });
  t.match(text, /^# Found: eth1 02:00/m);
  t.match(loadSettings(text, file), {
    ok: true,
    value: {
      management: { interface: 'eth0', address: '10.0.0.9' },
      links: [{ attribute: { wire: 'n' }, router: 'br1' }],
      routers: [{ name: 'br1', address: '10.0.0.1', bgp: {} }],
    },
  });
});

t.test(
  'what is missing or wrong is named, and nothing is written',
  { timeout: 60_000 },
  async (t) => {
    const other = join(folder, 'other.yaml');
    const cases: ReadonlyArray<readonly [readonly string[], number, RegExp]> = [
      [[], 2, /expected --asn/],
      [['--asn', '0'], 2, /AS number from 1/],
      [all.slice(2, 8), 2, /expected --asn/],
      [[...all.slice(0, 2), ...all.slice(6)], 2, /expected --network, or --from-router/],
      [[...all, '--management', 'nowhere0'], 2, /there is no interface nowhere0; there (are|is)/],
      [[...all, '--link', 'east,65003,fast'], 1, /links\[2\].capacity: expected a rate/],
    ];
    for (const [args, status, stderr] of cases) {
      t.match(setup('-o', other, ...args), { status, stderr }, args.join(' '));
    }
    t.notOk(existsSync(other));
  },
);

t.test('who is heard on a port: routers by MAC, networks by where they send', async (t) => {
  const heard = readHeard(
    [
      '02:00:00:00:00:01 > 02:00:00:00:00:99, IPv4, length 98: 192.0.2.1.443 > 198.51.100.7.5000: tcp 40',
      '02:00:00:00:00:01 > 02:00:00:00:00:99, IPv4, length 98: 192.0.2.1 > 198.51.100.9: ICMP echo request, id 1',
      '02:00:00:00:00:02 > 02:00:00:00:00:99, IPv6, length 98: 2001:db8:1::1.53 > 2001:db8:2:3::7.5000: UDP, length 40',
      '02:00:00:00:00:02 > 33:33:00:00:00:01, IPv6, length 98: fe80::1 > ff02::1: ICMP6, router advertisement',
      'garbage',
    ].join('\n'),
  );
  t.same(heard, {
    macs: [
      { mac: '02:00:00:00:00:01', frames: 2 },
      { mac: '02:00:00:00:00:02', frames: 2 },
    ],
    networks: [
      { prefix: '198.51.100.0/24', frames: 2 },
      { prefix: '2001:db8:2::/48', frames: 1 },
    ],
  });
});

const bird = '/usr/sbin/bird';
t.test(
  'networks come from a router’s table',
  { skip: existsSync(bird) ? false : 'BIRD is not installed', timeout: 60_000 },
  async (t) => {
    const port = 20_000 + (process.pid % 10_000);
    const configuration = join(folder, 'bird.conf');
    writeFileSync(
      configuration,
      `router id 127.0.0.2;
protocol device {}
protocol static { ipv4; route 198.51.100.0/22 blackhole; route 203.0.113.0/24 blackhole; }
filter told { if net = 203.0.113.0/24 then bgp_path.prepend(65001); accept; }
protocol bgp { local 127.0.0.2 port ${port} as 64512; neighbor 127.0.0.3 as 64512; multihop; passive;
  ipv4 { import none; export filter told; next hop address 192.0.2.1; }; }
`,
    );
    const router = spawn(bird, [
      '-f',
      '-c',
      configuration,
      '-s',
      join(folder, 'bird.ctl'),
      '-P',
      join(folder, 'bird.pid'),
    ]);
    t.teardown(() => router.kill('SIGKILL'));
    const networks = await networksFromRouter({
      address: '127.0.0.2',
      asn: 64512,
      own: '127.0.0.3',
      port,
      deadlineMs: 45_000,
    });
    t.same(networks, ['198.51.100.0/22'], 'what has another AS in its path is not ours');
  },
);
