/** A real snmpd on a router that carries real TCP: its rates must add up to the kernel's own counters. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import t from 'tap';
import { createSnmpPoller, type SnmpPoller } from '../../../src/collect/snmp/index.ts';
import { linkId, ms, routerId } from '../../../src/core/base/units.ts';
import type { SnmpSettings } from '../../../src/core/settings/snmp.ts';
import { inside, run } from '../../../src/lab/namespaces.ts';
import {
  addresses,
  type CollectedRouter,
  makeCollectedRouter,
  skipWithoutRouter,
  until,
  wanIndex,
} from '../../support/collected-router.ts';

// The runner's own limit is shorter than a busy machine may need.
t.setTimeout(300_000);

const schedule = { port: 161, interval: ms(1000), timeout: ms(2000) };
const versions: Readonly<Record<string, SnmpSettings>> = {
  v2c: { version: '2c', community: 'headgate-lab', ...schedule },
  'v3 authPriv': {
    version: 3,
    user: 'poller',
    auth: 'sha',
    authKey: 'authentication',
    privacy: 'aes',
    privacyKey: 'confidential',
    ...schedule,
  },
};

const skip = skipWithoutRouter('snmpd', 'snmpset');
const router = routerId('br1');
const link = linkId('north');

t.test('a real agent', { skip }, async (t) => {
  const folder = mkdtempSync(`${tmpdir()}/hgc-snmp-`);
  const lab = await makeCollectedRouter('hgcs');
  t.teardown(async () => {
    await lab.remove();
    rmSync(folder, { recursive: true, force: true });
  });
  await startAgent(lab, folder);

  await t.test('rates agree with the interface within 1 %, by v2c and by v3', async (t) => {
    const pollers = Object.entries(versions).map(
      ([version, settings]) => [version, makePoller(settings)] as const,
    );
    await Promise.all(pollers.map(([, poller]) => poller.poll()));
    const before = await lab.wanBytes();
    const totals = pollers.map(() => ({ inbound: 0, outbound: 0 }));
    let isDone = false;
    const transfer = lab.transfer({ seconds: 5, rate: '40M' }).finally(() => {
      isDone = true;
    });
    let settling = 3;
    await until('the transfer to end', async () => {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      // Three quiet readings more: the agent may answer from a cache of a second.
      if (isDone) settling--;
      for (const [i, [, poller]] of pollers.entries()) await addUp(poller, totals[i]);
      return settling <= 0;
    });
    await transfer;
    const after = await lab.wanBytes();
    for (const [i, [version]] of pollers.entries()) {
      for (const direction of ['inbound', 'outbound'] as const) {
        const truth = after[direction] - before[direction];
        const error = (totals[i]?.[direction] ?? 0) / truth - 1;
        t.ok(Math.abs(error) < 0.01, `${version}, ${direction}: ${(error * 100).toFixed(2)} %`);
      }
    }
    t.match(pollers[0]?.[1].samples().links, [{ link, ifIndex: wanIndex, isUp: true }]);
    await Promise.all(pollers.map(([, poller]) => poller.stop()));
  });

  await t.test('an interface that goes down is seen', async (t) => {
    const poller = makePoller(versions.v2c);
    await poller.poll();
    await run(inside(lab.namespaces.router, ['ip', 'link', 'set', 'wan', 'down']));
    await until('the link to be down', async () => {
      await new Promise((resolve) => setTimeout(resolve, 500));
      await poller.poll();
      return poller.samples().links[0]?.isUp === false;
    });
    t.pass('down');
    await run(inside(lab.namespaces.router, ['ip', 'link', 'set', 'wan', 'up']));
    await poller.stop();
  });

  await t.test(
    'wrong keys, a wrong community and a silent address are failures, not values',
    async (t) => {
      const v3 = versions['v3 authPriv'];
      const wrong: readonly SnmpSettings[] = [
        { version: '2c', community: 'other', ...schedule, timeout: ms(200) },
        ...(v3?.version === 3 ? [{ ...v3, authKey: 'not the key', timeout: ms(200) }] : []),
        { version: '2c', community: 'headgate-lab', ...schedule, port: 1161, timeout: ms(200) },
      ];
      for (const settings of wrong) {
        const poller = makePoller(settings);
        await poller.poll();
        const { links, routers } = poller.samples();
        t.same(links, []);
        const { timeout = 0, failed = 0 } = routers[0]?.failures ?? {};
        t.equal(timeout + failed, 1);
        await poller.stop();
      }
    },
  );
});

function makePoller(settings: SnmpSettings | undefined): SnmpPoller {
  if (!settings) throw new Error('no such version');
  return createSnmpPoller({
    routers: [{ router, address: addresses.router, settings, links: [{ link, interface: 'wan' }] }],
  });
}

/** Polls once and adds the bytes that the new rate stands for. */
async function addUp(
  poller: SnmpPoller,
  total: { inbound: number; outbound: number } | undefined,
): Promise<void> {
  await poller.poll();
  const [counters] = poller.samples().links;
  if (!counters || !total) return;
  for (const direction of ['inbound', 'outbound'] as const) {
    total[direction] += (counters[direction].value * counters.elapsedMs) / 8000;
  }
}

/** An agent with both versions and caches of one second (its default is 15 s, coarser than a test). */
async function startAgent(lab: CollectedRouter, folder: string): Promise<void> {
  const file = `${folder}/snmpd.conf`;
  writeFileSync(
    file,
    [
      `agentaddress udp:${addresses.router}:161`,
      'rwcommunity headgate-lab',
      'createUser poller SHA "authentication" AES "confidential"',
      'rouser poller authpriv',
      '',
    ].join('\n'),
  );
  lab.spawn([
    'env',
    `SNMP_PERSISTENT_DIR=${folder}`,
    'snmpd',
    '-f',
    '-Ln',
    '-C',
    '-c',
    file,
    '-p',
    `${folder}/pid`,
  ]);
  const set = (table: string) =>
    run([
      'snmpset',
      '-v2c',
      '-c',
      'headgate-lab',
      '-t',
      '1',
      '-r',
      '0',
      addresses.router,
      table,
      'i',
      '1',
    ]);
  // nsCacheTimeout of ifTable and of ifXTable, which share one cache.
  await until('the agent to answer', () =>
    set('.1.3.6.1.4.1.8072.1.5.3.1.2.1.3.6.1.2.1.2.2').then(
      () => true,
      () => false,
    ),
  );
}
