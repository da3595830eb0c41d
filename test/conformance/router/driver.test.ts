/**
 * One suite for everything that makes a border router steer: each driver on a real router in the lab, and the BGP
 * speaker on both kinds of router, must give the same routes for the same plan.
 */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { HeadgateError } from '../../../src/core/base/error.ts';
import type { Lab } from '../../../src/lab/index.ts';
import { spawnInside } from '../../../src/lab/namespaces.ts';
import {
  type Applied,
  createDriver,
  type DriverOptions,
  type RouterDialect,
  together,
} from '../../../src/router/driver.ts';
import { emptyIntent, type RouterIntent, type SessionRoute } from '../../../src/router/intent.ts';
import type { RouterShell } from '../../../src/router/shell.ts';
import { labTestSkip, waitFor } from '../../support/lab.ts';
import {
  block4,
  block6,
  candidates,
  egressAddress,
  foreign,
  openRouterLab,
  roads,
  sessionsOf,
  steer,
} from './candidates.ts';
import type { Wish } from './speaker-process.ts';

const timeout = 200_000;
t.setTimeout(timeout);

const unmarked: SessionRoute = {
  protocol: 'udp',
  source: '198.18.0.10',
  sourcePort: 40_001,
  destination: '10.101.0.1',
  destinationPort: 9,
  link: 1,
};
const byNorth = ['north', 'north', 'north', 'north'];

for (const candidate of candidates) {
  t.test(candidate.kind, { skip: labTestSkip(candidate.programs), timeout }, async (t) => {
    const { lab, shell } = await openRouterLab(t, candidate, `hgrouter-${candidate.kind}`);
    const dialect = candidate.dialect(lab, shell);
    const sessions = sessionsOf(lab, shell);
    const driver = (options: DriverOptions = {}) =>
      together(
        [dialect, sessions].map((part) => createDriver(part, { undoAfterS: 20, ...options })),
      );
    const { comesIn } = roads(lab);

    await sameRoutes(t, lab, (intent) => driver().apply(intent));

    await t.test('the same intent again changes nothing', async (t) => {
      t.equal((await driver().apply(steer({ [block4]: 1, [block6]: 2 }))).result, 'applied');
      const applied = await driver().apply(steer({ [block6]: 2, [block4]: 1 }));
      t.same(applied, { result: 'unchanged', diff: { added: [], removed: [] } });
    });

    await t.test('a diff names what would change, and changes nothing', async (t) => {
      const diff = await driver().diff(steer({ [block4]: 1 }));
      t.ok(diff.removed.some((line) => line.includes(block6)));
      t.notOk(diff.added.some((line) => line.includes(block4)));
      await comesIn(block6, ['south', 'south', 'south', 'north']);
    });

    await t.test('one unmarked session leaves by its link, its neighbour does not', async (t) => {
      const session = { ...unmarked, link: 2 };
      t.equal((await driver().apply({ ...emptyIntent, sessions: [session] })).result, 'applied');
      t.equal(await byWhich(lab, 40_001), 'south');
      t.equal(await byWhich(lab, 40_002), 'north');
      t.equal((await driver().apply(emptyIntent)).result, 'applied');
      t.equal(await byWhich(lab, 40_001), 'north', 'the rule is gone with its session');
    });

    await t.test('what cannot work is rolled back, with the reason', async (t) => {
      await driver().apply(steer({ [block4]: 1 }));
      await comesIn(block4, ['south', 'south', 'north', 'north']);
      const section = await dialect.read();
      const destinations = [{ prefix: foreign, gateway: '10.99.9.9' }];
      const intent = { ...steer({ [block4]: 2 }), destinations };
      const applied = await driver({ verifyWithinMs: 2000 }).apply(intent);
      t.equal(applied.result, 'rolled_back');
      t.match(applied.result === 'rolled_back' ? applied.reason : '', foreign);
      await comesIn(block4, ['south', 'south', 'north', 'north']);
      t.equal(await dialect.read(), section);
    });

    await t.test('a change that the guard refuses is rolled back', async (t) => {
      const isSafe = async () => false;
      t.equal((await driver({ isSafe }).apply(emptyIntent)).result, 'rolled_back');
      await comesIn(block4, ['south', 'south', 'north', 'north']);
      t.pass();
    });

    await t.test('a change that cuts our own access is undone by the router itself', async (t) => {
      const section = await dialect.read();
      let isCut = false;
      const cut: RouterShell = {
        run: (argv, input) =>
          isCut ? Promise.reject(new HeadgateError('cut', 'no way')) : shell.run(argv, input),
      };
      const cutting = (part: RouterDialect): RouterDialect => ({
        ...part,
        async stage(...change) {
          await part.stage(...change);
          isCut = true;
        },
      });
      const session = { ...unmarked, link: 2 };
      // What cut us off is in force for so long: where the machine was too slow to see it, for longer.
      let wasSeen = false;
      for (const undoAfterS of [3, 12, 48]) {
        for (const part of [candidate.dialect(lab, cut), sessionsOf(lab, cut)]) {
          isCut = false;
          const applied = await createDriver(cutting(part), { undoAfterS }).apply({
            ...steer({ [block4]: 4 }),
            sessions: [session],
          });
          t.match(applied, { result: 'rolled_back', reason: 'no way' });
        }
        const hasRules = /link 2/.test(await sessions.read());
        const isIn = await comesIn(block4, ['south', 'south', 'south', 'south'], undoAfterS).then(
          () => true,
          () => false,
        );
        await comesIn(block4, ['south', 'south', 'north', 'north'], undoAfterS + 30);
        await waitFor('no session', 60_000, async () => (await sessions.read()) === '');
        wasSeen = hasRules && isIn;
        if (wasSeen) break;
      }
      t.ok(wasSeen, 'the steering and the rules of sessions were in force');
      t.equal(await dialect.read(), section, 'and its next start loads what worked');
    });

    await t.test('nothing that is not ours is written', async (t) => {
      const others = await candidate.others(lab);
      t.match(others, 'router');
      t.equal((await driver().apply(steer({ [block6]: 3 }))).result, 'applied');
      t.equal(await candidate.others(lab), others);
      t.equal((await driver().apply(emptyIntent)).result, 'applied');
      t.equal(await candidate.others(lab), others);
      t.equal(await dialect.read(), dialect.render(emptyIntent));
    });

    await t.test('what a lease leaves on the router makes it its own again', async (t) => {
      let script = '';
      const timer = {
        start: async (left: string) => {
          script = left;
        },
        stop: async () => {
          script = '';
        },
      };
      const leased = createDriver(dialect, { lease: { timer, seconds: 60 } });
      t.equal((await leased.apply(steer({ [block4]: 4 }))).result, 'applied');
      await comesIn(block4, ['south', 'south', 'south', 'south']);
      // As its timer does, without a word from the unit.
      await shell.run(['sh'], script);
      await comesIn(block4, byNorth);
      const section = await dialect.read();
      t.ok(section === '' || section === dialect.render(emptyIntent));
      t.not((await leased.apply(emptyIntent)).result, 'rolled_back');
      t.equal(await dialect.read(), dialect.render(emptyIntent));
      t.equal(script, '', 'no lease without anything in force');
    });

    await t.test('spoken to by BGP it does the same', { timeout }, async (t) => {
      await lab.run('unit', ['ip', 'addr', 'add', `${egressAddress}/24`, 'dev', 'mgmt']);
      const speaker = speak(lab);
      t.teardown(() => speaker.stop());
      await sameRoutes(t, lab, (intent) => speaker.apply(intent));
    });
  });
}

/** What every actuator must do alike. */
async function sameRoutes(
  t: Test,
  lab: Lab,
  apply: (intent: RouterIntent) => Promise<Pick<Applied, 'result'>>,
): Promise<void> {
  const { comesIn, waysTo, leavesBy } = roads(lab);

  await t.test('blocks steered by prepends come in as the rungs say', async (t) => {
    const before = await lab.forwarding('br1');
    t.equal((await apply(steer({ [block4]: 1, [block6]: 2 }))).result, 'applied');
    await comesIn(block4, ['south', 'south', 'north', 'north']);
    await comesIn(block6, ['south', 'south', 'south', 'north']);
    t.same(await waysTo('198.18.4.0/24'), byNorth, 'no other block moves');
    t.equal(await lab.forwarding('br1'), before, 'inside forwarding stays');
  });

  await t.test('withheld from a link, even the stubborn source moves', async (t) => {
    t.equal((await apply(steer({ [block4]: 4 }))).result, 'applied');
    await comesIn(block4, ['south', 'south', 'south', 'south']);
    await comesIn(block6, byNorth);
    t.pass();
  });

  await t.test('a destination leaves by the link that is set, and does not leak', async (t) => {
    await leavesBy('10.101.0.1', 'north');
    const destinations = [{ prefix: foreign, gateway: '192.0.2.5' }];
    t.equal((await apply({ ...emptyIntent, destinations })).result, 'applied');
    await leavesBy('10.101.0.1', 'south');
    // Others stay.
    await leavesBy('10.102.0.1', 'north');
    const heard = await lab.birdc('south', 'show route protocol customer');
    t.notMatch(heard, foreign, 'no provider hears of it');
    t.equal((await apply(emptyIntent)).result, 'applied');
    await leavesBy('10.101.0.1', 'north');
  });
}

/** The unit's speaker in the lab, as something that carries out an intent. */
function speak(lab: Lab) {
  const program = fileURLToPath(new URL('./speaker-process.js', import.meta.url));
  const child = spawnInside(
    lab.namespace('unit'),
    [process.execPath, '--enable-source-maps', program, '10.0.9.1', '10.0.9.10', egressAddress],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const { stdin, stdout } = child;
  if (!stdin || !stdout) throw new Error('both are pipes');
  return {
    async apply({ blocks, destinations }: RouterIntent): Promise<Pick<Applied, 'result'>> {
      const detours = destinations.map(({ prefix, gateway }) => ({
        prefix,
        nextHop: gateway,
        localPref: 900,
      }));
      const wish: Wish = { blocks, detours };
      stdin.write(`${JSON.stringify(wish)}\n`);
      await once(stdout, 'data');
      return { result: 'applied' };
    },
    async stop(): Promise<void> {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** By which provider 50 datagrams of one UDP session from our host to a source leave. */
async function byWhich(lab: Lab, sourcePort: number): Promise<string> {
  const received = async () =>
    Promise.all(
      lab.topology.providers.map(
        async ({ name }) => (await lab.counters(name)).get('customer')?.rxPackets ?? 0,
      ),
    );
  const before = await received();
  const script = `
    const socket = require('node:dgram').createSocket('udp4');
    socket.bind(${sourcePort}, '198.18.0.10', async () => {
      for (let i = 0; i < 50; i++) await new Promise((sent) => socket.send('x', 9, '10.101.0.1', sent));
      socket.close();
    });`;
  await lab.run('hosts', ['node', '-e', script]);
  const after = await received();
  const most = after.map((count, i) => count - (before[i] ?? 0));
  return (most[0] ?? 0) > (most[1] ?? 0) ? 'north' : 'south';
}
