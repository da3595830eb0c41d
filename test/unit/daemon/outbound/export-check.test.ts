import t from 'tap';
import { HeadgateError } from '../../../../src/core/base/error.ts';
import { prefixText, routerId } from '../../../../src/core/base/units.ts';
import { ExportCheck, showMs } from '../../../../src/daemon/outbound/export-check.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const br1 = routerId('br1');
const detours = ['203.0.113.0/24', '192.0.2.0/24'].map(prefixText);
const [provider, customer] = ['10.1.0.1', '10.2.0.1'];

/** A router that tells each prefix to those in `told`. */
function stage() {
  const clock = new FakeClock(1_000);
  const world = { told: [] as readonly string[], fails: false, changes: 0, asked: 0 };
  const check = new ExportCheck(
    new Map([
      [
        br1,
        {
          providers: [provider],
          customers: [customer],
          advertisedTo: async () => {
            world.asked++;
            if (world.fails) throw new HeadgateError('router_command_failed', 'no route to host');
            return new Set(world.told);
          },
        },
      ],
    ]),
    clock,
    { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    60_000,
    () => {
      world.changes++;
    },
  );
  return { clock, world, check };
}

t.test(
  'one detour is tried; when customers hear of it and nobody else does, all are told',
  async (t) => {
    const { world, check } = stage();
    t.same(check.allowed(br1, detours), detours.slice(0, 1));
    await check.look(br1, []);
    t.equal(world.asked, 0, 'there is nothing to ask about yet');
    await check.look(br1, detours.slice(0, 1));
    t.same(check.allowed(br1, detours), detours.slice(0, 1), 'the customers do not hear of it yet');
    world.told = [customer];
    await check.look(br1, detours.slice(0, 1));
    t.same(check.allowed(br1, detours), detours);
    t.equal(world.changes, 1);
  },
);

t.test('a leak takes all back at once, for a while', async (t) => {
  const { clock, world, check } = stage();
  world.told = [customer];
  await check.look(br1, detours);
  world.told = [customer, provider];
  await check.look(br1, detours);
  t.same(check.allowed(br1, detours), []);
  t.match(check.refusal(br1), /it tells 10\.1\.0\.1 of the detour/);
  t.equal(world.changes, 2);
  clock.advance(60_000);
  t.same(check.allowed(br1, detours), detours.slice(0, 1), 'then one is tried again');
});

t.test('a prefix that stays hidden from customers, or a router that does not answer', async (t) => {
  const hidden = stage();
  await hidden.check.look(br1, detours);
  hidden.clock.advance(showMs + 1);
  await hidden.check.look(br1, detours);
  t.match(hidden.check.refusal(br1), /hides the detour .* from its customer 10\.2\.0\.1/);
  const mute = stage();
  mute.world.fails = true;
  await mute.check.look(br1, detours);
  t.match(mute.check.refusal(br1), /cannot be asked .* no route to host/);
  t.same(mute.check.allowed(br1, detours), []);
});

t.test('routers without customers are no concern of it', async (t) => {
  const { check } = stage();
  t.same(check.allowed(routerId('br2'), detours), detours);
  t.equal(check.has(routerId('br2')), false);
});
