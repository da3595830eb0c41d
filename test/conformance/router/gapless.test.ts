/**
 * Never a moment without a policy between removal and replacement, on real routers: the providers write down every route
 * that they lose, the kernel every one that it deletes, and a session sends all the time.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import t from 'tap';
import type { Lab } from '../../../src/lab/index.ts';
import { spawnInside } from '../../../src/lab/namespaces.ts';
import { createDriver, together } from '../../../src/router/driver.ts';
import { emptyIntent, type SessionRoute } from '../../../src/router/intent.ts';
import { labTestSkip, waitFor } from '../../support/lab.ts';
import { block4, candidates, foreign, openRouterLab, sessionsOf, steer } from './candidates.ts';

const timeout = 300_000;
t.setTimeout(timeout);
const isLong = process.env.HEADGATE_LONG === '1';
const gateways = ['192.0.2.5', '192.0.2.1'] as const;
const session: SessionRoute = {
  protocol: 'udp',
  source: '198.18.0.10',
  sourcePort: 40_001,
  destination: '10.102.0.1',
  destinationPort: 9,
  link: 2,
};

for (const candidate of candidates) {
  const skip = labTestSkip(candidate.programs) || (!isLong && 'half a minute: with --long');
  t.test(`${candidate.kind} never lacks what is replaced`, { skip, timeout }, async (t) => {
    const { lab, shell } = await openRouterLab(t, candidate, `hggapless-${candidate.kind}`);
    const driver = together(
      [candidate.dialect(lab, shell), sessionsOf(lab, shell)].map((part) => createDriver(part)),
    );
    const wanted = (round: number) => ({
      ...steer({ [block4]: 1 + (round % 3) }),
      destinations: [{ prefix: foreign, gateway: gateways[round % 2] ?? '' }],
      // Its neighbours come and go, so that the map is replaced in each round.
      sessions: [session, { ...session, sourcePort: 41_000 + round }],
    });
    const apply = async (intent: Parameters<typeof driver.apply>[0]) => {
      const applied = await driver.apply(intent);
      t.equal(applied.result, 'applied');
    };
    await apply(wanted(0));
    const watch = await startWatch(lab);
    t.teardown(() => watch.stop());
    for (let round = 1; round <= 12; round++) await apply(wanted(round));
    t.ok(watch.changes() >= 12, `the kernel took ${watch.changes()} changes of the destination`);
    t.equal(watch.deletions(), 0, 'and never deleted its route');
    t.equal(watch.losses(), 0, 'no provider lost the block');
    t.equal(await watch.strays(), 0, 'no packet of the session went astray');

    // All three could have been seen.
    await apply(emptyIntent);
    await waitFor('the session to go by north', 10_000, async () => (await watch.strays()) > 0);
    await waitFor('the block to be lost', 10_000, () => watch.losses() > 0);
    await lab.run('br1', ['ip', 'route', 'add', foreign, 'via', gateways[0], 'metric', '7']);
    await lab.run('br1', ['ip', 'route', 'del', foreign, 'via', gateways[0], 'metric', '7']);
    await waitFor('a deletion', 10_000, () => watch.deletions() > 0);
  });
}

/** What all three write down from now on. */
async function startWatch(lab: Lab) {
  const { providers } = lab.topology;
  for (const { name } of providers) await lab.birdc(name, 'debug customer { routes }');
  const logOf = (name: string) => readFileSync(`${lab.folder}/${name}.log`, 'utf8');
  const before = new Map(providers.map(({ name }) => [name, logOf(name).length]));
  const monitor = spawnInside(lab.namespace('br1'), ['ip', '-4', 'monitor', 'route'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let routes = '';
  monitor.stdout?.on('data', (chunk: Buffer) => {
    routes += chunk.toString();
  });
  const ofForeign = () => routes.split('\n').filter((line) => line.includes(`${foreign} `));
  // A datagram a millisecond, as the session's own.
  const script = `
    const socket = require('node:dgram').createSocket('udp4');
    socket.bind(${session.sourcePort}, '${session.source}', () => {
      console.log('ready');
      setInterval(() => socket.send('x', ${session.destinationPort}, '${session.destination}'), 1);
    });`;
  await lab.run('north', ['nft', 'add', 'table', 'ip', 'hgwatch']);
  const chain = '{ type filter hook prerouting priority 0; }';
  await lab.run('north', ['nft', 'add', 'chain', 'ip', 'hgwatch', 'in', chain]);
  const counted = ['udp', 'sport', String(session.sourcePort), 'counter'];
  await lab.run('north', ['nft', 'add', 'rule', 'ip', 'hgwatch', 'in', ...counted]);
  const sender = spawnInside(lab.namespace('hosts'), [process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  if (sender.stdout) await once(sender.stdout, 'data');
  return {
    changes: () => ofForeign().filter((line) => !line.startsWith('Deleted')).length,
    deletions: () => ofForeign().filter((line) => line.startsWith('Deleted')).length,
    losses: () =>
      providers.filter(({ name }) =>
        logOf(name)
          .slice(before.get(name))
          .split('\n')
          .some((line) => / > removed .*/.test(line) && line.includes(`${block4} `)),
      ).length,
    strays: async () => {
      const text = await lab.run('north', ['nft', 'list', 'table', 'ip', 'hgwatch']);
      return Number(/packets (\d+)/.exec(text)?.[1]);
    },
    stop: () => {
      for (const child of [monitor, sender]) child.kill('SIGKILL');
    },
  };
}
