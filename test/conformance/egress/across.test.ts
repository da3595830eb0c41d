/**
 * A destination moves from one router's link to another's, and no packet goes in a circle: the forwarding tables of both
 * routers are watched all the time. The drawing is in src/lab/topology.ts, place `inside`; all leave by br1 (north) until
 * the unit asks for br2's link (south).
 */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { borderPolicy } from '../../../src/cli/lab/policy.ts';
import { prefixText, routerId } from '../../../src/core/base/units.ts';
import { defaultShape, type Lab, openLab } from '../../../src/lab/index.ts';
import { closeLab } from '../../../src/lab/lab.ts';
import { spawnInside } from '../../../src/lab/namespaces.ts';
import { labTestSkip, waitFor } from '../../support/lab.ts';
import type { Wish } from './across-process.ts';

const timeout = 200_000;
t.setTimeout(timeout);
const skip =
  labTestSkip(['/usr/sbin/bird']) ||
  (process.env.HEADGATE_LONG !== '1' && 'half a minute: with --long');
const name = 'hgacross';
const host = '10.101.0.1';
const prefix = prefixText('10.101.0.0/24');

t.test('the owner of the link goes first, and last', { skip, timeout }, async (t) => {
  const lab = await openLab({
    shape: { ...defaultShape('inside'), kind: 'bird' },
    policy: (topology, router) => borderPolicy(topology, router, '10.0.9.11'),
    prefix: name,
    wires: 'bridge',
  });
  t.teardown(() => closeLab(name));
  await lab.waitForRoutes(60_000);
  await lab.run('unit', ['ip', 'addr', 'add', '10.0.9.11/24', 'dev', 'mgmt']);
  await preferNorth(lab);
  await waitFor('plain BGP by br1', 30_000, async () => (await ways(lab)).join() === 'north,br1');
  const unit = await startUnit(lab);
  t.teardown(() => unit.kill('SIGKILL'));
  const wish = (value: Wish) => unit.stdin?.write(`${JSON.stringify(value)}\n`);
  const far = lab.topology.providers.find(({ router }) => router === 'br2')?.addresses.provider;
  if (far === undefined) throw new Error('br2 has a provider');
  const own = { prefix, nextHop: far, localPref: 900 };
  const follow = {
    ...own,
    nextHop: lab.topology.routers[1]?.inside ?? '',
    via: { router: routerId('br2'), nextHop: far },
  };
  const both = { br1: [follow], br2: [own] };
  const reached = (text: string) => async () => (await ways(lab)).join() === text;

  // The watch can see a circle: the follower alone is told.
  wish({ isOrdered: false, detours: { br1: [follow], br2: [] } });
  await waitFor('a circle', 30_000, () => isCircle(lab));
  wish({ isOrdered: false, detours: { br1: [], br2: [] } });
  await waitFor('plain BGP', 30_000, reached('north,br1'));

  let [looks, circles, isDone] = [0, 0, false];
  const watch = (async () => {
    while (!isDone) {
      looks++;
      if (await isCircle(lab)) circles++;
    }
  })();
  // On a busy machine looks are slow.
  for (let round = 0; round < 3 || looks <= 50; round++) {
    wish({ isOrdered: true, detours: both });
    await waitFor('the way by br2', 30_000, reached('br2,south'));
    wish({ isOrdered: true, detours: { br1: [], br2: [] } });
    await waitFor('plain BGP', 30_000, reached('north,br1'));
  }
  isDone = true;
  await watch;
  t.equal(circles, 0, `none in ${looks} looks`);
});

/**
 * By plain BGP all leave by br1: its routes of north win everywhere. The routers tell each other all their paths, else
 * br1 would take its own back when a detour wins there, and a circle would last for milliseconds only.
 */
async function preferNorth(lab: Lab): Promise<void> {
  for (const router of ['br1', 'br2']) {
    const file = `${lab.folder}/${router}.conf`;
    const text = readFileSync(file, 'utf8')
      .replaceAll('next hop self;', 'next hop self; add paths on;')
      .replace(
        /import where net !~ (\[[^\]]*\]);/g,
        router === 'br1'
          ? 'import filter { if net ~ $1 then reject; bgp_local_pref = 200; accept; };'
          : '$&',
      );
    writeFileSync(file, text);
    await lab.birdc(router, 'configure');
  }
}

/** What br1 and br2 hand packets for the destination to: a provider's interface, or the other router. */
async function ways(lab: Lab): Promise<readonly [string, string]> {
  return Promise.all([wayOf(lab, 'br1'), wayOf(lab, 'br2')]);
}

async function wayOf(lab: Lab, router: string): Promise<string> {
  const route = await lab.run(router, ['ip', 'route', 'get', host]);
  const [, via, device] = /via (\S+) dev (\S+)/.exec(route) ?? [];
  return lab.topology.routers.find(({ inside }) => inside === via)?.name ?? device ?? 'none';
}

/** Each hands the packet to the other; br1 is read twice, since the two are not read at one instant. */
async function isCircle(lab: Lab): Promise<boolean> {
  if ((await wayOf(lab, 'br1')) !== 'br2' || (await wayOf(lab, 'br2')) !== 'br1') return false;
  return (await wayOf(lab, 'br1')) === 'br2';
}

async function startUnit(lab: Lab) {
  const program = fileURLToPath(new URL('./across-process.js', import.meta.url));
  const child = spawnInside(
    lab.namespace('unit'),
    [process.execPath, '--enable-source-maps', program],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  if (!child.stdout) throw new Error('it is a pipe');
  await once(child.stdout, 'data');
  return child;
}
