/**
 * The lab by itself, with plain bridges in place of the wires and a stand-in that announces one block as headgate
 * would: what the closed-loop tests rely on.
 */
import { writeFileSync } from 'node:fs';
import t from 'tap';
import { birdPolicy } from '../../src/cli/lab/policy.ts';
import { createMeter, defaultShape, demandOf, openLab, startTraffic } from '../../src/lab/index.ts';
import { closeLab, removeLeftovers } from '../../src/lab/lab.ts';
import { listNamespaces, run } from '../../src/lab/namespaces.ts';
import { labTestSkip, waitFor } from '../support/lab.ts';

const prefix = 'hgborder';
const skip = labTestSkip();
const timeout = 200_000;
t.setTimeout(timeout);

t.test('a steered block moves the sources that prepends can move', { skip, timeout }, async (t) => {
  const lab = await openLab({
    shape: defaultShape('link'),
    policy: birdPolicy,
    prefix,
    wires: 'bridge',
  });
  t.teardown(() => closeLab(prefix));
  await lab.waitForRoutes(60_000);
  const ways = async (block: string) => (await lab.waysIn()).map((s) => s.blocks[block]);
  const [steered, other] = ['198.18.3.0/24', '198.18.4.0/24'];
  t.same(await ways(steered), ['north', 'north', 'north', 'north'], 'all by north at first');
  const before = await lab.forwarding('br1');

  await standIn(lab.folder, lab.run, steered, 1);
  await waitFor('one prepend moves two sources', 60_000, async () =>
    same(await ways(steered), ['south', 'south', 'north', 'north']),
  );
  t.same(await ways(other), ['north', 'north', 'north', 'north'], 'no other block moves');

  await standIn(lab.folder, lab.run, steered, 2);
  await waitFor('two prepends move the third', 60_000, async () =>
    same(await ways(steered), ['south', 'south', 'south', 'north']),
  );
  t.equal(await lab.forwarding('br1'), before, 'the border router forwards as before');

  await standIn(lab.folder, lab.run, steered, undefined);
  await waitFor('withdrawn, all is as before', 60_000, async () =>
    same(await ways(steered), ['north', 'north', 'north', 'north']),
  );
});

t.test(
  'downloads are held to the capacity of the link that they come by',
  { skip, timeout },
  async (t) => {
    const shape = { ...defaultShape('inside'), routers: 2 as const };
    const lab = await openLab({ shape, policy: birdPolicy, prefix, wires: 'bridge' });
    t.teardown(() => closeLab(prefix));
    await lab.waitForRoutes(60_000);
    const traffic = await startTraffic(lab);
    const meter = createMeter(lab, traffic);
    traffic.setDemand(demandOf(lab.topology));
    // A moment at which the machine kept time: counters that are read late say more than the shaper let through.
    let reading = meter.last(2);
    await waitFor(
      'north to carry its capacity and no more, and to drop the rest',
      60_000,
      async () => {
        await meter.sample();
        reading = meter.last(2);
        const { load = 0, dropped = 0 } = reading?.links[0] ?? {};
        return dropped > 0 && load > 0.8 && load < 1.05;
      },
    );
    t.ok((reading?.links[1]?.load ?? 9) < 0.01, 'nothing by south');
    t.ok((reading?.goodputBitps ?? 9e9) < 40e6, 'the receivers get less than they want');
    await traffic.stop();
  },
);

t.test('what a crash leaves behind is removed by the next lab', { skip, timeout }, async (t) => {
  const script = `
    import { openLab, defaultShape } from ${JSON.stringify(new URL('../../src/lab/index.js', import.meta.url).href)};
    import { birdPolicy } from ${JSON.stringify(new URL('../../src/cli/lab/policy.js', import.meta.url).href)};
    await openLab({ shape: defaultShape('link'), policy: birdPolicy, prefix: 'hgcrash' });
    process.kill(process.pid, 'SIGKILL');`;
  t.teardown(() => closeLab('hgcrash'));
  await run(['node', '--input-type=module', '-e', script]).catch(() => '');
  t.ok(listNamespaces().includes('hgcrash-unit'), 'the crash left namespaces');
  await removeLeftovers();
  t.notOk(
    listNamespaces().some((name) => name.startsWith('hgcrash-')),
    'they are gone',
  );
});

const same = (a: readonly unknown[], b: readonly unknown[]) => a.join() === b.join();

/** A BIRD in the unit's place that announces `block` with so many prepends towards north, or nothing. */
async function standIn(
  folder: string,
  runIn: (node: string, argv: readonly string[]) => Promise<string>,
  block: string,
  prepends: number | undefined,
): Promise<void> {
  const path = `${folder}/unit.conf`;
  const isRunning = prepends !== 1;
  writeFileSync(
    path,
    [
      'router id 10.0.9.10;',
      'protocol device { }',
      `protocol static { ipv4; ${prepends === undefined ? '' : `route ${block} unreachable;`} }`,
      'protocol bgp br1 {',
      '  local 10.0.9.10 as 64512; neighbor 10.0.9.1 as 64512; connect delay time 1;',
      '  ipv4 { import none; export filter {',
      '    bgp_next_hop = 10.0.0.10;',
      '    bgp_large_community.add((64512, 0, 1));',
      `    bgp_large_community.add((64512, 1, ${prepends ?? 1}));`,
      '    if source = RTS_STATIC then accept; reject;',
      '  }; };',
      '}',
    ].join('\n'),
  );
  const control = ['-s', `${folder}/unit.ctl`];
  if (isRunning) await run(['birdc', ...control, 'configure']);
  else await runIn('unit', ['bird', '-c', path, ...control, '-P', `${folder}/unit.pid`]);
}
