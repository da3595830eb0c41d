/**
 * Two units at one border as hot standby, on parallel circuits of one link and in series on one circuit. One is killed
 * as a crash would; its provider keeps every path, and sessions through its wire go on.
 *
 *   parallel                                          series
 *     border ──north0── ni [unit a] no ── north         border ──north0── ni [a] no ── ni [b] no ── north
 *            ──north1── ni [unit b] no ──
 *
 * `border` is br1 (BIRD, 10.0.0.1) with one iBGP session to each unit (10.0.1.2, 10.0.2.2), our hosts, and NATS; `north`
 * is the provider (BIRD, AS 65001) with the far hosts; south (AS 65002) is another way to them, past the units, with an
 * idle wire at each. In parallel what goes out by one circuit comes back by the other. Two sessions send more than what
 * north may carry, and in parallel neither unit sees more than one of them: only both together know of the overload.
 */
import { spawnSync } from 'node:child_process';
import t, { type Test } from 'tap';
import type { DestinationsView, StatusView } from '../../src/control/index.ts';
import { labTestSkip, waitFor } from '../support/lab.ts';
import { farNetwork, type Pairing, Place, units } from './pair/place.ts';

const hasNats = spawnSync('nats-server', ['--version']).status === 0;
const skip =
  process.env.HEADGATE_LONG === '1'
    ? labTestSkip() || (hasNats ? false : 'nats-server is not installed')
    : 'set HEADGATE_LONG=1';
const blocks = ['198.51.100.0/24', '198.51.101.0/24'];

interface LinkView {
  readonly name: string;
  readonly rtt_us?: number;
}

interface UnitView {
  readonly name: string;
  readonly outbound_bytes?: { readonly portion: number; readonly others: number };
}

for (const pairing of ['parallel', 'series'] as const) {
  t.test(`a pair in ${pairing}`, { skip, timeout: 290_000 }, (t) => standby(t, pairing));
}

async function standby(t: Test, pairing: Pairing): Promise<void> {
  const place = new Place(pairing);
  t.teardown(() => place.close());
  await place.open();
  for (const unit of units) place.run(unit);
  const status = (unit: (typeof units)[number]) => place.ask<StatusView>(unit, 'status');
  const isWhole = async () => {
    const views = await Promise.all(units.map(status));
    return (
      views.every(
        (view) => view?.cluster?.leader !== null && view?.cluster?.leader !== undefined,
      ) &&
      units.every((unit) => place.told(unit).join() === blocks.join()) &&
      blocks.every((block) => place.heardByProvider().includes(block))
    );
  };
  await waitFor('both announce both blocks', 60_000, isWhole);

  const talks = [place.talk(0), place.talk(1)];
  const areTalking = async () => {
    const before = talks.map((talk) => talk.heard());
    await waitFor('both sessions go on', 30_000, () =>
      talks.every((talk, i) => talk.heard() > (before[i] ?? 0) + 2000),
    );
  };
  await areTalking();
  await detours(place);
  const shown = await Promise.all(
    units.map((unit) => place.ask<DestinationsView>(unit, 'destinations')),
  );
  for (const view of shown)
    t.match(view?.detours, [{ prefix: farNetwork, from: 'north', to: 'south', state: 'sent' }]);
  const way = place.bestWay();
  t.match(way, /10\.20\.0\.2.*1000/, 'the far network leaves by south');
  const seen = place.heardByProvider();
  const withdrawn = place.withdrawals();
  t.ok(Number.isFinite(withdrawn));

  if (pairing === 'parallel') {
    await portions(t, place);
    await joins(t, place);
  }

  const view = await status('a');
  const first = view?.cluster?.leader === 'b' ? 'b' : 'a';
  for (const gone of [first, first === 'a' ? 'b' : 'a'] as const) {
    const others: string[] = [];
    const look = setInterval(() => {
      const now = place.heardByProvider();
      if (now !== seen) others.push(now);
      const ways = place.bestWay();
      if (ways !== way) others.push(ways);
    }, 300);
    try {
      place.kill(gone);
      await areTalking();
      // The router has given its stale paths up: from here on the other's alone count.
      await waitFor('its sessions are forgotten', 40_000, () => {
        return place.told(gone).length === 0 && place.detoured(gone).length === 0;
      });
      await areTalking();
      place.run(gone);
      await waitFor(`${gone} is back`, 60_000, isWhole);
      await detours(place);
      await areTalking();
    } finally {
      clearInterval(look);
    }
    t.same(others, [], `provider and border noticed nothing of ${gone} dying and coming back`);
    t.equal(place.withdrawals(), withdrawn, 'nothing was withdrawn');
    t.same(
      talks.map((talk) => talk.ended()),
      [undefined, undefined],
      'no session was lost',
    );
  }
}

/** Both tell the router the same way out. */
async function detours(place: Place): Promise<void> {
  await waitFor('both detour the far network', 60_000, () =>
    units.every((unit) => place.detoured(unit).join() === farNetwork),
  );
}

/** Each session goes out at one unit and comes in at the other: only both together know its round trips. */
async function joins(t: Test, place: Place): Promise<void> {
  await waitFor('the link has a round-trip time', 60_000, async () => {
    const links = await place.ask<readonly LinkView[]>('a', 'links');
    const rttUs = links?.find(({ name }) => name === 'north')?.rtt_us ?? 0;
    return rttUs > 0 && rttUs < 1_000_000;
  });
  t.pass('joined from the halves of two units');
}

/** Each counts what its own hosts send, and together they count what the border sent. */
async function portions(t: Test, place: Place): Promise<void> {
  const viewOf = async () => {
    const views = await place.ask<readonly UnitView[]>('a', 'units');
    return units.map((unit) => views?.find(({ name }) => name === unit)?.outbound_bytes);
  };
  await waitFor('both report what they counted', 30_000, async () =>
    (await viewOf()).every((bytes) => (bytes?.portion ?? 0) > 50_000),
  );
  const counted = await viewOf();
  const sent = await place.sent();
  for (const [i, unit] of units.entries()) {
    const { portion = 0, others = 0 } = counted[i] ?? {};
    t.equal(others, 0, `${unit} carries nothing of the other's hosts`);
    // BGP, ARP and what was sent since the unit's last report are no traffic of its hosts.
    const share = portion / (sent[i] ?? 1);
    t.ok(share > 0.3 && share <= 1, `${unit} counted ${portion} of ${sent[i]} bytes`);
  }
}
