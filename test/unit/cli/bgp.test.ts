/** `headgate bgp …` against a running unit whose routers are scripted: what they tell is shown as it comes. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type Prefix, parsePrefix } from '../../../src/core/base/prefix.ts';
import { encodeEndOfRib, encodeUpdate } from '../../../src/core/wire/bgp/update.ts';
import { systemClock } from '../../../src/daemon/clock.ts';
import { startUnit } from '../../../src/daemon/start.ts';
import { createSpeaker } from '../../../src/speaker/index.ts';
import { settingsOf } from '../../support/settings.ts';
import { ScriptedRouter } from '../speaker/scripted-router.ts';

const main = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hg-cli-bgp-'));
const socket = join(folder, 'unit.sock');
t.setTimeout(200_000);

const context = { as4: true, addPath: { 4: false, 6: false } };
const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const told = (text: string, nextHop: string, asns: readonly number[]) =>
  encodeUpdate(
    {
      withdrawn: [],
      announced: [{ prefix: prefix(text) }],
      attributes: {
        origin: 'igp',
        asPath: [{ kind: 'sequence', asns }],
        nextHop,
        localPref: 100,
      },
    },
    context,
  );
const takenBack = (text: string) =>
  encodeUpdate({ withdrawn: [{ prefix: prefix(text) }], announced: [], attributes: {} }, context);

const routers = [new ScriptedRouter('10.0.0.1'), new ScriptedRouter('10.0.0.2')] as const;
const silent = () => undefined;
const missing = () => {
  throw new Error('there are no wires here');
};
const unit = await startUnit(
  settingsOf(`
asn: 64512
mode: observe
networks: [198.51.100.0/23]
management: { router_id: 10.0.0.9 }
links: [{ name: north, asn: 65001, capacity: 100M, router: br1 }]
routers:
  - { name: br1, address: 10.0.0.1, bgp: {} }
  - { name: br2, address: 10.0.0.2, bgp: {} }
control: { socket: ${socket} }
history: { path: ${folder}/history.db }
`),
  {
    clock: systemClock,
    log: { debug: silent, info: silent, warn: silent, error: silent },
    openWires: missing,
    createSpeaker: (options) =>
      createSpeaker({
        ...options,
        openSocket: (request) =>
          (request.address === '10.0.0.1' ? routers[0] : routers[1]).openSocket(request),
      }),
    sockets: { openSocket: missing, openListener: missing },
    addressesOf: () => [],
    readSecret: () => '',
    chown: silent,
    groupId: () => 0,
  },
);
t.teardown(async () => {
  await unit.stop();
  rmSync(folder, { recursive: true, force: true });
});

const headgate = (...args: readonly string[]) =>
  spawn(process.execPath, [main, ...args], {
    env: { ...process.env, HEADGATE_SOCKET: socket },
    stdio: ['ignore', 'pipe', 'inherit'],
  });

async function shown(...args: readonly string[]): Promise<string> {
  let text = '';
  for await (const chunk of headgate(...args).stdout) text += String(chunk);
  return text;
}

t.test('changes are followed as they come', async (t) => {
  const follower = headgate('bgp', 'changes', '--follow', '--json');
  t.teardown(() => follower.kill('SIGKILL'));
  const lines = createInterface(follower.stdout)[Symbol.asyncIterator]();
  /** The next change that `wanted` knows, however many others come before. */
  const next = async (wanted: (change: Record<string, unknown>) => boolean) => {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error('the command ended');
      // The cast: one JSON object per line is what --follow promises.
      const change = JSON.parse(value) as Record<string, unknown>;
      if (wanted(change)) return change;
    }
  };
  await next(({ phase, router }) => phase === 'established' && router === 'br2');
  routers[0].send(told('203.0.113.0/24', '10.1.0.1', [65001, 65010]));
  t.match(await next(({ kind }) => kind === 'received'), {
    router: 'br1',
    prefix: '203.0.113.0/24',
    action: 'announced',
    number: Number,
    atMs: Number,
  });
  routers[0].send(takenBack('203.0.113.0/24'));
  t.match(await next(({ kind }) => kind === 'received'), {
    prefix: '203.0.113.0/24',
    action: 'withdrawn',
  });
});

t.test('all paths to an address, best first, and where the others lost', async (t) => {
  routers[0].send(told('203.0.113.0/24', '10.1.0.1', [65001, 65009, 65010]));
  routers[1].send(told('203.0.113.0/24', '10.1.1.1', [65002, 65010]));
  routers[1].send(told('203.0.0.0/16', '10.1.1.1', [65002]));
  for (const router of routers) router.send(encodeEndOfRib(4));
  const deadline = performance.now() + 60_000;
  let routes: unknown[] = [];
  while (routes.length < 3 && performance.now() < deadline)
    routes = JSON.parse(await shown('bgp', 'routes', '203.0.113.77', '--json')) as unknown[];
  t.match(routes, [
    { prefix: '203.0.113.0/24', router: 'br2', asPath: '65002 65010', rank: 1 },
    { prefix: '203.0.113.0/24', router: 'br1', rank: 2, lostAt: 'as_path_length' },
    { prefix: '203.0.0.0/16', router: 'br2', rank: 1 },
  ]);
  const text = await shown('bgp', 'routes', '203.0.113.77', '--router', 'br1');
  t.match(text, /203\.0\.113\.0\/24 +br1 .*lost at as path length/);
  t.notMatch(text, /br2/);
  const first = JSON.parse(await shown('bgp', 'routes', '--limit', '1', '--json')) as unknown[];
  t.equal(first.length, 2, 'one of each router');
});
