import t from 'tap';
import {
  createSnmpPoller,
  type SnmpSession,
  type SnmpValue,
} from '../../../src/collect/snmp/index.ts';
import { membersOf } from '../../../src/collect/snmp/interfaces.ts';
import { ratesBetween } from '../../../src/collect/snmp/rates.ts';
import { type InterfaceReading, interfaceOids, oids } from '../../../src/collect/snmp/reading.ts';
import { HeadgateError } from '../../../src/core/base/error.ts';
import { bitps, linkId, ms, routerId } from '../../../src/core/base/units.ts';
import type { SnmpSettings } from '../../../src/core/settings/snmp.ts';

const base: InterfaceReading = {
  upTime: 100_000,
  atMs: 1_000_000,
  name: 'eth0',
  isUp: true,
  speed: bitps(1e9),
  discontinuity: 0,
  width: 64,
  inBytes: 1_000_000n,
  outBytes: 2_000_000n,
  inPackets: 1000n,
  outPackets: 1000n,
  inDiscards: 0n,
  outDiscards: 0n,
  inErrors: 0n,
  outErrors: 0n,
};
const later = (seconds: number, change: Partial<InterfaceReading>): InterfaceReading => ({
  ...base,
  upTime: (base.upTime + seconds * 100) % 2 ** 32,
  atMs: base.atMs + seconds * 1000,
  ...change,
});

t.test("rates come from the agent's clock, not from when its answer arrived", async (t) => {
  const after = later(10, { atMs: base.atMs + 17_000, inBytes: 2_250_000n, outBytes: 2_000_000n });
  t.match(ratesBetween(base, after), {
    ok: true,
    value: { elapsedMs: 10_000, inbound: 1e6, outbound: 0 },
  });
});

t.test('discards are a share of what should have passed', async (t) => {
  const result = ratesBetween(base, later(10, { outPackets: 1900n, outDiscards: 100n }));
  t.match(result, { ok: true, value: { outboundDiscardRatio: 0.1, inboundDiscardRatio: 0 } });
});

t.test('32-bit counters may wrap, 64-bit ones may not', async (t) => {
  const narrow = { width: 32 as const, inBytes: 4_294_967_000n };
  const wrapped = later(10, { width: 32, inBytes: 704n });
  t.match(ratesBetween({ ...base, ...narrow }, wrapped), { ok: true, value: { inbound: 800 } });
  t.match(ratesBetween(base, later(10, { inBytes: 5n })), { ok: false, error: 'counter_reset' });
});

t.test('what cannot be compared says why', async (t) => {
  const cases: ReadonlyArray<readonly [string, InterfaceReading]> = [
    ['restarted', later(60, { upTime: 500, inBytes: 5n })],
    ['discontinuity', later(10, { discontinuity: 100_500 })],
    ['other_interface', later(10, { name: 'eth1' })],
    ['too_close', later(0, {})],
    ['implausible', later(1, { inBytes: 10_000_000_000n })],
  ];
  for (const [error, after] of cases)
    t.match(ratesBetween(base, after), { ok: false, error }, error);
});

t.test('an uptime that wraps after 497 days is no restart', async (t) => {
  const before = { ...base, upTime: 2 ** 32 - 500 };
  t.match(ratesBetween(before, later(10, { upTime: 500 })), { ok: true });
});

t.test('the members of a bundle are what it runs over', async (t) => {
  t.same(membersOf(7, ['0.7', '7.3', '7.4', '3.0', '70.5', '8.7']), [3, 4]);
});

const settings: SnmpSettings = {
  version: '2c',
  community: 'public',
  port: 161,
  interval: ms(30_000),
  timeout: ms(1000),
};

/** A router as a table of objects: what it holds can be changed while it is polled. */
function makeRouter() {
  const clock = { now: 1_000_000 };
  const objects = new Map<string, SnmpValue>();
  const state = { isSilent: false, opened: 0 };
  const bytes = (text: string) => new TextEncoder().encode(text);
  const setInterface = (ifIndex: number, name: string, inBytes: bigint, speed = 1000) => {
    const values: SnmpValue[] = [bytes(name), 1, speed, 0, inBytes, 0n, 0n, 0n, 0, 0, 0, 0, 0, 0];
    for (const [i, oid] of interfaceOids(ifIndex).entries()) objects.set(oid, values[i]);
  };
  const session: SnmpSession = {
    async get(wanted) {
      if (state.isSilent) throw new HeadgateError('snmp_timeout', 'silent', { retryable: true });
      objects.set(oids.sysUpTime, Math.floor(clock.now / 10));
      return wanted.map((oid) => objects.get(oid));
    },
    async walk(oid) {
      if (state.isSilent) throw new HeadgateError('snmp_timeout', 'silent', { retryable: true });
      const below = [...objects].filter(([key]) => key.startsWith(`${oid}.`));
      return new Map(below.map(([key, value]) => [key.slice(oid.length + 1), value]));
    },
    close: () => undefined,
  };
  const poller = createSnmpPoller({
    routers: [
      {
        router: routerId('br1'),
        address: '192.0.2.1',
        settings,
        links: [{ link: linkId('north'), interface: 'eth5' }],
      },
    ],
    open: () => {
      state.opened++;
      return session;
    },
    now: () => clock.now,
  });
  return { clock, objects, state, setInterface, poller };
}

t.test('a link has a rate from the second reading on, with its age', async (t) => {
  const { clock, poller, setInterface } = makeRouter();
  setInterface(5, 'eth5', 0n);
  await poller.poll();
  t.same(poller.samples().links, []);
  clock.now += 30_000;
  setInterface(5, 'eth5', 3_750_000n);
  await poller.poll();
  clock.now += 4000;
  t.match(poller.samples().links, [
    {
      link: 'north',
      router: 'br1',
      ifIndex: 5,
      isUp: true,
      capacity: 1e9,
      inbound: { value: 1e6, ageMs: 4000, coverage: 0.5, source: 'snmp' },
    },
  ]);
  t.same([...poller.interfaces(routerId('br1'))], [['north', 5]]);
});

t.test('a silent router ages, is counted, and comes back', async (t) => {
  const { clock, poller, setInterface, state } = makeRouter();
  setInterface(5, 'eth5', 0n);
  await poller.poll();
  clock.now += 30_000;
  await poller.poll();
  state.isSilent = true;
  for (let i = 0; i < 3; i++) {
    clock.now += 30_000;
    await poller.poll();
  }
  const [link] = poller.samples().links;
  t.equal(link?.inbound.ageMs, 90_000);
  t.equal(link?.inbound.coverage, 1 / 5);
  t.match(poller.samples().routers, [{ ageMs: 90_000, polls: 5, failures: { timeout: 3 } }]);
  state.isSilent = false;
  clock.now += 30_000;
  await poller.poll();
  t.equal(poller.samples().links[0]?.inbound.ageMs, 0);
  t.equal(state.opened, 4, 'a session that failed is not used again');
});

t.test('interface numbers that move are followed by name', async (t) => {
  const { clock, poller, setInterface } = makeRouter();
  setInterface(5, 'eth5', 1000n);
  await poller.poll();
  // The router restarted with another card: our interface is number 6 now.
  setInterface(5, 'eth4', 99_999_999n);
  setInterface(6, 'eth5', 2000n);
  clock.now += 30_000;
  await poller.poll();
  t.same(poller.samples().links, [], "the other interface's bytes are not ours");
  for (const bytes of [3000n, 4000n]) {
    clock.now += 30_000;
    setInterface(6, 'eth5', bytes);
    await poller.poll();
  }
  t.match(poller.samples().links, [{ ifIndex: 6, inbound: { value: (1000 * 8) / 30 } }]);
});

t.test('an interface that is not there is said, not guessed', async (t) => {
  const { poller, setInterface } = makeRouter();
  setInterface(7, 'eth7', 0n);
  await poller.poll();
  t.match(poller.samples().routers[0]?.failures, { unresolved_interface: 1 });
  setInterface(5, 'eth5', 0n);
  setInterface(9, 'eth5', 0n);
  await poller.poll();
  t.match(poller.samples().routers[0]?.failures, { unresolved_interface: 2 }, 'two of one name');
});

t.test('a bundle is worth the members that are up', async (t) => {
  const { clock, objects, poller, setInterface } = makeRouter();
  setInterface(5, 'eth5', 0n, 20_000);
  setInterface(1, 'port1', 0n, 10_000);
  setInterface(2, 'port2', 0n, 10_000);
  objects.set(`${oids.ifStackStatus}.5.1`, 1);
  objects.set(`${oids.ifStackStatus}.5.2`, 1);
  await poller.poll();
  clock.now += 30_000;
  await poller.poll();
  t.equal(poller.samples().links[0]?.capacity, 20e9);
  objects.set(interfaceOids(2)[1] ?? '', 2);
  clock.now += 30_000;
  await poller.poll();
  t.equal(poller.samples().links[0]?.capacity, 10e9);
});

t.test('wrong types are counted and give no rate', async (t) => {
  const { clock, objects, poller, setInterface } = makeRouter();
  setInterface(5, 'eth5', 0n);
  await poller.poll();
  clock.now += 30_000;
  objects.set(interfaceOids(5)[1] ?? '', new Uint8Array(3));
  await poller.poll();
  t.match(poller.samples().routers[0]?.failures, { wrong_type: 1 });
});
