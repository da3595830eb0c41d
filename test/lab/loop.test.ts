/**
 * The loop, closed: downloads overload north, the unit measures it in-line and steers, the receivers get more.
 * Judged by the receivers, the kernel's interface counters and the routers, not by the unit's own words.
 */
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { BlockView } from '../../src/control/index.ts';
import { defaultShape, demandOf, type LabShape } from '../../src/lab/index.ts';
import { run } from '../../src/lab/namespaces.ts';
import { labTestSkip, waitFor } from '../support/lab.ts';
import { driveLoop, isOverloaded, openStage, type Stage } from '../support/loop.ts';
import { runningTime } from '../support/running-time.ts';

const bird = '/usr/sbin/bird';
const mainFile = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
/** A busy machine may make any of the waits below long; each has its own deadline. */
const timeout = 400_000;
t.setTimeout(timeout);

const isLong = process.env.HEADGATE_LONG === '1';
/** Each place and each kind of border router once; every pair of them, and every way to steer, in the long run. */
const shapes: readonly LabShape[] = isLong
  ? [
      ...(['link', 'inside'] as const).flatMap((place) =>
        (['bird', 'frr'] as const).map((kind) => ({ ...defaultShape(place), kind })),
      ),
      ...(['more_specifics', 'provider_communities'] as const).map((ladder) => ({
        ...defaultShape('inside'),
        kind: 'frr' as const,
        ladder,
      })),
    ]
  : [defaultShape('link'), { ...defaultShape('inside'), kind: 'frr' }];

for (const shape of shapes) {
  const { place, routers, kind, ladder = 'prepends' } = shape;
  const name = `place ${place}, ${routers} border router(s) with ${kind}, by ${ladder}`;
  t.test(
    `${name}: overload is relieved, and stays so as the load shifts`,
    { skip: labTestSkip(shape.kind === 'frr' ? [bird, '/usr/lib/frr/bgpd'] : [bird]), timeout },
    (t) =>
      driveLoop(t, shape, isLong || place === 'link' ? 2 : 1, async (t, live) => {
        if (routers === 2 && kind === 'frr') await takenBack(t, live);
        await countsAgree(t, live);
      }),
  );
}

t.test('mode observe announces nothing', { skip: labTestSkip([bird]), timeout }, async (t) => {
  const { lab, unit, traffic, meter } = await openStage(t, defaultShape('link'), 'observe');
  traffic.setDemand(demandOf(lab.topology));
  const seesOverload = async () => {
    await meter.sample();
    const carried = meter.last(3)?.links[0]?.bitps ?? Number.POSITIVE_INFINITY;
    const north = (await unit.view()).links.find((link) => link.name === 'north');
    return isOverloaded(meter) && (north?.inboundBitps ?? 0) > 0.9 * carried;
  };
  await waitFor('the unit sees north overloaded', 60_000, seesOverload);
  const { cycles } = await unit.status();
  await waitFor('and does so after several decisions', 60_000, async () => {
    return (await unit.status()).cycles > cycles + 4 && (await seesOverload());
  });
  t.match(
    await lab.birdc('br1', 'show route protocol headgate count'),
    /^0 of/m,
    'the router has no route of the unit',
  );
  for (const { source, blocks } of await lab.waysIn()) {
    t.ok(
      Object.values(blocks).every((way) => way === 'north'),
      `${source} sends as before`,
    );
  }
  t.equal(await unit.stop(), 0, 'SIGTERM ends it cleanly');
});

/**
 * What the operator takes back is gone from both routers within two seconds and stays off until told otherwise; when one
 * router's session is lost, the blocks are gone from the other within two seconds: the aggregate carries them.
 */
async function takenBack(t: Test, { lab, unit }: Stage): Promise<void> {
  const { topology } = lab;
  const names = topology.routers.map(({ name }) => name);
  // As FRR prints it.
  const received = async (router: string, family: 4 | 6) => {
    const text = await lab.vtysh(router, `show bgp ipv${family} unicast summary json`);
    const { peers } = JSON.parse(text) as Summary;
    return peers[topology.unit]?.pfxRcd ?? 0;
  };
  const heardBy = async (router: string) =>
    (await received(router, 4)) + (await received(router, 6));
  const heard = () => Promise.all(names.map(heardBy));
  const command = (...words: readonly string[]) =>
    run([process.execPath, mainFile, ...words, '--socket', `${lab.folder}/unit.sock`]);
  const all = topology.blocks.length;
  const isWhole = async () => (await heard()).every((count) => count >= all);
  await waitFor(`both routers have the ${all} blocks`, 30_000, isWhole);

  await command('withdraw', '--all', '--why', 'maintenance');
  await goneInTime(t, 'withdraw --all', async () => (await heard()).join() === '0,0');
  const cycles = (await unit.status()).cycles;
  await waitFor('the unit decides on', 30_000, async () => {
    return (await unit.status()).cycles > cycles + 2;
  });
  t.same(await heard(), [0, 0], 'and stays off');
  await command('resume');
  await waitFor('both routers have the blocks again', 30_000, isWhole);

  const [kept = '', lost = ''] = names;
  const shut = ['configure terminal', `router bgp ${topology.asn}`];
  await lab.vtysh(lost, ...shut, `neighbor ${topology.unit} shutdown`);
  await goneInTime(t, 'a lost session', async () => (await heardBy(kept)) === 0);
}

/** Two seconds of a machine that runs. */
async function goneInTime(t: Test, after: string, isGone: () => Promise<boolean>): Promise<void> {
  const clock = runningTime();
  let ms = 0;
  await waitFor(`what was announced is gone after ${after}`, 30_000, () => {
    ms = clock.now();
    return isGone();
  });
  clock.stop();
  t.ok(ms <= 2_000, `${after}: gone when asked ${ms.toFixed(0)} ms later`);
}

interface Summary {
  readonly peers: Readonly<Record<string, { readonly pfxRcd?: number } | undefined>>;
}

/** The unit's layer-2 bytes per block and the kernel's on each block's own interface, over the whole run. */
async function countsAgree(t: Test, { lab, unit, traffic }: Stage): Promise<void> {
  traffic.setDemand({});
  await traffic.stop();
  const kernelCounts = async () => {
    const ports = await lab.counters('core');
    return lab.topology.blocks.map((block) => ports.get(block.port)?.txBytes ?? 0);
  };
  // Answers are control/views.ts's.
  const unitCounts = async () => {
    const views = (await unit.ask('blocks')) as readonly BlockView[];
    return lab.topology.blocks.map(
      (block) => views.find((view) => view.prefix === block.prefix)?.inbound_bytes ?? 0,
    );
  };
  let seen: { readonly counts: string; readonly countedMs: number } | undefined;
  await waitFor('counters stand still while the unit goes on reading', 30_000, async () => {
    const countedMs = (await unit.view()).links[0]?.countedMs ?? 0;
    const counts = JSON.stringify([await kernelCounts(), await unitCounts()]);
    if (counts !== seen?.counts) seen = { counts, countedMs };
    return countedMs >= seen.countedMs + 1500;
  });
  const [kernel, counted] = [await kernelCounts(), await unitCounts()];
  for (const [i, block] of lab.topology.blocks.entries()) {
    const [a, b] = [kernel[i] ?? 0, counted[i] ?? 0];
    t.ok(a > 1e6, `${block.prefix} carried ${a} bytes`);
    t.ok(Math.abs(a - b) <= a * 0.001, `${block.prefix}: kernel ${a}, unit ${b}`);
  }
}
