/**
 * Secrets of every kind, inline and in files, in a real unit that fails by all of them: none may show in its arguments,
 * logs, answers, files, pages or in what commands print. And what the log has, syslog has.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { openControlClient } from '../../../src/control/index.ts';
import { waitFor } from '../../support/lab.ts';

t.setTimeout(300_000);
const main = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hg-secrets-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const secrets = {
  md5: 'inline-md5-key-1f3a',
  md5File: 'file-md5-key-77be',
  community: 'inline-community-90d2',
  communityFile: 'file-community-5cc1',
  authKey: 'inline-auth-key-e81b',
  privacyKey: 'inline-privacy-key-a6f0',
  authKeyFile: 'file-auth-key-03d9',
  privacyKeyFile: 'file-privacy-key-b44e',
  webhook: 'webhook-token-6d25',
  cookie: '5ec7e75ec7e75ec7e75ec7e75ec7e75e',
} as const;

/** As text, and as other programs would write the same bytes. */
const forms = Object.entries(secrets).flatMap(([name, secret]) => {
  const bytes = Buffer.from(secret);
  return [secret, bytes.toString('hex'), bytes.toString('base64').slice(0, -3)].map(
    (form) => [name, form] as const,
  );
});
const shownIn = (text: string) =>
  forms.filter(([, form]) => text.includes(form)).map(([name]) => name);

/** A free port of the loopback. */
const ports = 20_000 + (process.pid % 5000);
const settingsFile = join(folder, 'headgate.yaml');
const inFile = (name: keyof typeof secrets) => {
  writeFileSync(join(folder, `${name}.key`), `${secrets[name]}\n`);
  return join(folder, `${name}.key`);
};
const settings = (syslogPort: number) => `asn: 64512
mode: control
networks: [198.51.100.0/23]
management: { address: 127.0.0.1, router_id: 10.0.0.9 }
links:
  - { name: north, asn: 65001, capacity: 100M, router: br1, interface: ix1 }
  - { name: south, asn: 65002, capacity: 100M, router: br2, interface: ix2 }
routers:
  - { name: br1, address: 127.0.0.1, bgp: { port: ${ports}, md5: ${secrets.md5} }, snmp: { version: 3, user: u, auth: sha, auth_key: ${secrets.authKey}, privacy: aes, privacy_key: ${secrets.privacyKey}, port: ${ports}, interval: 1s, timeout: 100ms } }
  - { name: br2, address: 127.0.0.2, bgp: { port: ${ports}, md5_file: ${inFile('md5File')} }, snmp: { version: "2c", community_file: ${inFile('communityFile')}, port: ${ports}, interval: 1s, timeout: 100ms } }
  - { name: br3, address: 127.0.0.3, snmp: { version: "2c", community: ${secrets.community}, port: ${ports}, interval: 1s, timeout: 100ms } }
  - { name: br4, address: 127.0.0.4, snmp: { version: 3, user: u, auth: sha, auth_key_file: ${inFile('authKeyFile')}, privacy: aes, privacy_key_file: ${inFile('privacyKeyFile')}, port: ${ports}, interval: 1s, timeout: 100ms } }
dns:
  listen: [127.0.0.1]
  port: ${ports + 5000}
  cookie_secret: ${secrets.cookie}
  zones: [{ name: svc.example.net, nameservers: [{ name: ns1.svc.example.net, addresses: [127.0.0.1] }], hostmaster: noc.example.net }]
  names: [{ name: www.svc.example.net, addresses: [{ link: north, address: 198.51.100.10 }, { link: south, address: 198.51.101.10 }] }]
cycle: { interval: 200ms, average: 400ms }
control: { socket: ${folder}/unit.sock }
history: { path: ${folder}/history.db }
record: { path: ${folder}/record.jsonl }
mrt: { path: ${folder}/heard.mrt }
metrics: { listen: 127.0.0.1:0, page: true }
notices: { after: 1ms, per_hour: 1000, webhook: { url: "http://127.0.0.1:1/${secrets.webhook}" } }
log: { level: debug, syslog: 127.0.0.1:${syslogPort} }
`;

t.test('no secret leaves the unit, whatever fails; syslog has what the log has', async (t) => {
  const syslog = createSocket('udp4').bind(0, '127.0.0.1');
  await once(syslog, 'listening');
  t.teardown(() => syslog.close());
  const messages: string[] = [];
  syslog.on('message', (bytes) => messages.push(bytes.toString()));
  // A cast: a bound socket's address has a port.
  const { port: syslogPort } = syslog.address() as AddressInfo;
  const text = settings(syslogPort);
  writeFileSync(settingsFile, text, { mode: 0o640 });
  t.same(shownIn(text).length, 6, 'the check can fail: it finds those that stand in the settings');

  const unit = spawn('node', [main, 'run', '--config', settingsFile], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => unit.kill('SIGKILL'));
  let log = '';
  for (const stream of [unit.stdout, unit.stderr]) {
    stream.on('data', (chunk) => {
      log += String(chunk);
    });
  }
  const logged = (pattern: RegExp) =>
    waitFor(`${pattern}:\n${log}`, 60_000, () => pattern.test(log));
  await logged(/"metrics are served"/);
  await logged(/webhook of notices cannot be reached/);

  const pages: string[] = [];
  const client = await openControlClient(join(folder, 'unit.sock'));
  t.teardown(() => client.close());
  const commands = [
    'status',
    'links',
    'blocks',
    'sessions',
    'destinations',
    'resolvers',
    'plan',
    'bill',
    'usage',
  ];
  const more = [
    'audit',
    'bgp',
    'bgp_changes',
    'bgp_detours',
    'bmp_routers',
    'bmp_peers',
    'history',
    'cycle',
    'nonsense',
  ];
  const asked: ReadonlyArray<readonly [string, object]> = [
    ...[...commands, ...more].map((command) => [command, {}] as const),
    ['history', { samples: true, limit: 1000 }],
    ['explain', { prefix: '198.51.100.0/24' }],
    ['explain_resolver', { address: '192.0.2.53' }],
    ['bgp_routes', { router: 'br1' }],
    ['bgp_announced', { router: 'br1' }],
    ['withdraw', { all: true, why: 'a test' }],
    ['resume', {}],
  ];
  for (const [command, args] of asked)
    pages.push(JSON.stringify(await client.ask(command, { ...args })));
  t.ok(pages.filter((answer) => answer.includes('"ok":true')).length > 15);

  // Reloads that are refused: keys that cannot change, and keys that are wrong.
  for (const [right, wrong] of [
    [`md5: ${secrets.md5}`, `md5: ${secrets.md5}-2`],
    [`md5: ${secrets.md5}`, `md5: [${secrets.md5}]`],
    [`md5: ${secrets.md5}`, `md5: ${secrets.md5.repeat(9)}`],
    [`community: ${secrets.community}`, `community: { x: ${secrets.community} }`],
    [`auth_key: ${secrets.authKey}`, `auth_kye: ${secrets.authKey}`],
    [`"http://127.0.0.1:1/${secrets.webhook}"`, `"${secrets.webhook}"`],
    [`cookie_secret: ${secrets.cookie}`, `cookie_secret: ${secrets.cookie}0`],
    [`md5: ${secrets.md5}`, `md5: "${secrets.md5}`],
  ] as const) {
    writeFileSync(settingsFile, text.replace(right, wrong));
    const answer = await client.ask('reload', {});
    t.notOk(answer.ok, wrong.slice(0, 10));
    pages.push(JSON.stringify(answer));
  }
  unit.kill('SIGHUP');
  await logged(/settings are not reloaded/);
  const run = (...args: readonly string[]) => {
    const { stdout, stderr } = spawnSync('node', [main, ...args], {
      encoding: 'utf8',
      cwd: folder,
      env: { ...process.env, HEADGATE_SOCKET: join(folder, 'unit.sock') },
    });
    pages.push(stdout, stderr);
  };
  run('check', settingsFile);
  writeFileSync(settingsFile, text);
  run('check', '--json', settingsFile);
  run('doctor', '--config', settingsFile);
  run('report', '--output', join(folder, 'report.html'));
  const { address, port } = JSON.parse(
    log.split('\n').find((line) => line.includes('metrics are served')) ?? '{}',
  );
  for (const path of ['/', '/metrics', '/nothing']) {
    pages.push(await (await fetch(`http://${address}:${port}${path}`)).text());
  }
  pages.push(readFileSync(`/proc/${unit.pid}/cmdline`, 'utf8'));
  pages.push(spawnSync('ps', ['-ef'], { encoding: 'utf8' }).stdout);
  t.ok(pages.every((page) => page !== undefined));
  t.same(pages.flatMap(shownIn), [], 'answers, pages, errors, arguments');

  unit.kill('SIGTERM');
  const [code] = await once(unit, 'close');
  t.equal(code, 0, log);
  t.same(shownIn(log), [], 'the log');
  for (const name of readdirSync(folder).filter((name) => !/\.key$|\.yaml$|\.sock$/.test(name))) {
    t.same(shownIn(readFileSync(join(folder, name), 'latin1')), [], name);
  }
  t.ok(readFileSync(join(folder, 'record.jsonl')).length > 0, 'the recorder wrote');

  const lines = log.split('\n').filter((line) => line.startsWith('{"level"'));
  await waitFor('the last message has arrived', 30_000, () => messages.length >= lines.length);
  t.same(messages.flatMap(shownIn), []);
  const bodies = new Set(
    messages.map((message) => message.replace(/^<\d+>1 \S+ \S+ headgate \d+ - - /, '')),
  );
  t.same(
    lines.filter((line) => !bodies.has(line.slice(0, 1900)) && line.length < 1900),
    [],
    'every line of the log',
  );
  const severity = (pattern: RegExp) =>
    /^<(\d+)>1 (\S+)/.exec(messages.find((m) => pattern.test(m)) ?? '');
  t.equal(severity(/"running"/)?.[1], '30', 'daemon.info');
  t.equal(severity(/webhook of notices/)?.[1], '27', 'daemon.err');
  t.match(severity(/"running"/)?.[2], /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});
