/**
 * Sessions spread over three providers by marks: chosen by weight, kept, and moved when their provider fails. The
 * drawing is in src/lab/content/topology.ts; the border router routes by DSCP as `headgate router-config` prints it.
 */
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import type { MarksView } from '../../src/control/index.ts';
import type { ContentLab } from '../../src/lab/content/lab.ts';
import { destinationHosts, network, providers, upperEnd } from '../../src/lab/content/topology.ts';
import { end, type Program, start, waitUntilReady } from '../../src/lab/traffic/program.ts';
import { type ContentUnit, openContent, startContentUnit } from '../support/content.ts';
import { labTestSkip, waitFor } from '../support/lab.ts';
import type { HostsTold, NetTold } from '../support/session-program.ts';

const timeout = 300_000;
t.setTimeout(timeout);
const isLong = process.env.HEADGATE_LONG === '1';
const shortSessions = isLong ? 6000 : 1500;
const longSessions = 40;
const names = providers.map(({ name }) => name);

t.test(
  'each session leaves by one provider, by weight, until that provider fails',
  { skip: labTestSkip(['/usr/sbin/bird', '/usr/sbin/snmpd', '/usr/sbin/nft']), timeout },
  async (t) => {
    const lab = await openContent(t, 'hgspread', 'marks');
    for (const name of names) await lab.run(name, ['nft', ...watchingRules]);
    const unit = await startContentUnit(t, lab, 'marks');
    // A provider that has not been measured yet gets no sessions.
    await waitFor('sessions to be marked for all providers', 60_000, async () => {
      const now = await marksOf(unit);
      if (!now?.is_on || now.links.some(({ is_down }) => is_down)) return false;
      return names.every((name) => shareOf(now, name) > 0);
    });
    const traffic = await startSessions(t, lab);

    const marksBefore = await marksOf(unit);
    traffic.hosts.write(`short ${shortSessions}\n`);
    await waitFor('the short sessions', 120_000, () => {
      const { short = 0, failed = 0 } = traffic.told.hosts ?? {};
      return short + failed >= shortSessions;
    });
    t.equal(traffic.told.hosts?.failed, 0, 'all short sessions came through');
    const began = await seen(lab);
    const marks = await marksOf(unit);
    const weights = marks?.classes[0]?.links ?? [];
    t.equal(weights.length, 3);
    const ofShort = new Map([...began].map(([name, keys]) => [name, shortIn(keys, traffic)]));
    const total = [...ofShort.values()].reduce((sum, keys) => sum + keys.length, 0);
    t.ok(total >= 0.99 * shortSessions, `${total} short sessions seen at the providers`);
    for (const { link, share } of weights) {
      const got = (ofShort.get(link)?.length ?? 0) / total;
      const moved = Math.abs(share - shareOf(marksBefore, link));
      // Buckets to half a percent, sessions at random: four standard deviations. Loads move the weights meanwhile.
      const bound = 0.01 + moved + 4 * Math.sqrt((share * (1 - share)) / total);
      t.ok(Math.abs(got - share) <= bound, `${link}: ${percent(got)} of ${percent(share)}`);
    }
    t.equal(new Set([...ofShort.values()].flat()).size, total, 'each by one provider alone');

    const before = longIn(began, traffic);
    t.equal(before.size, 2 * longSessions, 'every long session is seen');
    const onNorth = [...before].flatMap(([key, name]) => (name === 'north' ? [key] : []));
    t.ok(onNorth.length > 0, `${onNorth.length} of them leave by north`);
    for (const name of names) await lab.run(name, ['nft', 'flush', 'set', 'ip', 'watch', 'seen']);
    traffic.net.write('reset\n');
    const echoed = traffic.told.hosts?.tcp ?? [];
    await lab.run('north', ['ip', 'link', 'set', 'customer', 'down']);
    await waitFor('the sessions of north to arrive by the others', 30_000, async () => {
      const now = longIn(await seen(lab), traffic);
      return onNorth.every((key) => now.has(key) && now.get(key) !== 'north');
    });
    const after = longIn(await seen(lab), traffic);
    t.same(
      [...before].filter(([key, name]) => name !== 'north' && after.get(key) !== name),
      [],
      'no other session moves',
    );
    const gaps = onNorth.flatMap((key) => {
      const flow = traffic.told.net?.udp[key.split(' ').at(-1) ?? ''];
      return flow ? [flow.gapMs] : [];
    });
    await waitFor('what moved to be told', 10_000, () => gaps.length > 0);
    // The router's own time to notice is in it; the unit's own bound is a second.
    t.ok(Math.max(...gaps) < 3000, `silent for ${Math.max(...gaps).toFixed()} ms at most`);
    const failed = await marksOf(unit);
    t.match(
      failed?.links.find(({ link }) => link === 'north'),
      { is_down: true, reason: String },
      'the unit says why',
    );
    await waitFor(
      'it to be counted',
      20_000,
      async () => ((await marksOf(unit))?.remarked ?? 0) > 0,
    );
    await waitFor('every TCP session to go on', 60_000, () =>
      (traffic.told.hosts?.tcp ?? []).every(
        ({ isOpen, echoed: now }, i) => isOpen && now > (echoed[i]?.echoed ?? 0),
      ),
    );

    await lab.run('north', ['ip', 'link', 'set', 'customer', 'up']);
    await waitFor('north to be back', 60_000, async () => {
      const { links = [], classes = [] } = (await marksOf(unit)) ?? {};
      const share = classes[0]?.links.find(({ link }) => link === 'north')?.share ?? 0;
      return links.every(({ is_down }) => !is_down) && share > 0;
    });
    for (const name of names) await lab.run(name, ['nft', 'flush', 'set', 'ip', 'watch', 'seen']);
    traffic.hosts.write('short 300\n');
    await waitFor('new sessions by north', 60_000, async () => {
      const keys = (await seen(lab)).get('north') ?? [];
      return shortIn(keys, traffic).length > 0;
    });
    const back = longIn(await seen(lab), traffic);
    t.same(
      [...after].filter(([key, name]) => back.get(key) !== undefined && back.get(key) !== name),
      [],
      'those that began before stay where they went',
    );
    for (const name of names)
      t.same(await setOf(lab, name, 'marked'), [], `${name} sees no mark: the router took it off`);
    if (isLong) await sendFragments(t, lab, traffic);
    else t.comment('fragments: with --long, half a minute');
  },
);

/**
 * Nothing in a fragment tells that its session just begins: for half a minute after marks came into force all are taken
 * for older ones, which the router chose for.
 */
async function sendFragments(t: Test, lab: ContentLab, traffic: Traffic): Promise<void> {
  const onAll = async () => (await fragments(lab)).every(({ first }) => first.size > 0);
  await waitFor('fragments at every provider', 90_000, async () => {
    traffic.hosts.write('fragments 20\n');
    return onAll();
  });
  const by = await fragments(lab);
  const first = new Set(by.flatMap((each) => [...each.first]));
  for (const { first: own, later } of by)
    t.same(
      later.filter((key) => first.has(key) && !own.has(key)),
      [],
      'fragments follow their first',
    );
}

/** What a provider sees come from us: sessions, and which packets came in fragments. */
const watchingRules = [
  `table ip watch {
    set seen { typeof ip protocol . ip daddr . tcp sport; size 65535; }
    set first { typeof ip daddr . ip id; size 65535; }
    set marked { typeof ip daddr . ip dscp; size 65535; }
    set later { typeof ip daddr . ip id; size 65535; }
    chain come {
      type filter hook prerouting priority -300; policy accept;
      iifname "customer" ip saddr 198.18.0.10 jump ours
    }
    chain ours {
      ip dscp != 0 add @marked { ip daddr . ip dscp }
      ip frag-off & 0x3fff == 0x2000 add @first { ip daddr . ip id }
      ip frag-off & 0x1fff != 0 add @later { ip daddr . ip id }
      ip frag-off & 0x3fff != 0 return
      ip protocol tcp add @seen { ip protocol . ip daddr . tcp sport }
      ip protocol udp add @seen { ip protocol . ip daddr . udp sport }
    }
  }`,
];

interface Traffic {
  readonly hosts: Program['input'];
  readonly net: Program['input'];
  readonly told: { hosts?: HostsTold; net?: NetTold };
}

async function startSessions(t: Test, lab: ContentLab): Promise<Traffic> {
  // Answers come back by a provider that does not fail.
  await lab.run('net', ['ip', 'route', 'add', network, 'via', upperEnd(1)]);
  const file = new URL('../support/session-program.js', import.meta.url);
  const net = start(lab.namespace('net'), file, ['net']);
  await waitUntilReady(net);
  const asked = JSON.stringify({ hosts: destinationHosts, long: longSessions });
  const hosts = start(lab.namespace('hosts'), file, ['hosts', asked]);
  t.teardown(() => Promise.all([net, hosts].map(end)));
  const told: Traffic['told'] = {};
  // The program's own format.
  createInterface({ input: net.output }).on('line', (line) => {
    told.net = JSON.parse(line) as NetTold;
  });
  createInterface({ input: hosts.output }).on('line', (line) => {
    told.hosts = JSON.parse(line) as HostsTold;
  });
  await waitFor('the long sessions', 60_000, () => {
    const udp = Object.values(told.net?.udp ?? {});
    const { tcp = [] } = told.hosts ?? {};
    return udp.length === longSessions && tcp.length > 0 && tcp.every(({ echoed }) => echoed > 0);
  });
  return { hosts: hosts.input, net: net.input, told };
}

/** By provider, its sessions as `PROTOCOL DESTINATION PORT`. */
async function seen(lab: ContentLab): Promise<ReadonlyMap<string, readonly string[]>> {
  const all = await Promise.all(
    names.map(async (name) => [name, await setOf(lab, name, 'seen')] as const),
  );
  return new Map(all);
}

async function setOf(lab: ContentLab, provider: string, set: string): Promise<readonly string[]> {
  const text = await lab.run(provider, ['nft', '-j', 'list', 'set', 'ip', 'watch', set]);
  // The shape is nft's JSON.
  const { nftables } = JSON.parse(text) as {
    nftables: ReadonlyArray<{ set?: { elem?: ReadonlyArray<{ concat: readonly unknown[] }> } }>;
  };
  return nftables.flatMap(({ set: own }) =>
    (own?.elem ?? []).map(({ concat }) => concat.join(' ')),
  );
}

const longKeys = ({ told }: Traffic): ReadonlySet<string> =>
  new Set([...(told.hosts?.tcp ?? []).map(({ key }) => key), ...(told.hosts?.udp ?? [])]);

function shortIn(keys: readonly string[], traffic: Traffic): readonly string[] {
  const long = longKeys(traffic);
  return keys.filter((key) => key.startsWith('tcp') && !long.has(key));
}

/** By long session, its provider; the last where several saw it. */
function longIn(
  by: ReadonlyMap<string, readonly string[]>,
  traffic: Traffic,
): ReadonlyMap<string, string> {
  const long = longKeys(traffic);
  return new Map(
    [...by].flatMap(([name, keys]) =>
      keys.flatMap((key) => (long.has(key) ? [[key, name] as const] : [])),
    ),
  );
}

/** By provider, the packets whose first fragment it saw, and whose others. */
function fragments(lab: ContentLab) {
  return Promise.all(
    names.map(async (name) => ({
      first: new Set(await setOf(lab, name, 'first')),
      later: await setOf(lab, name, 'later'),
    })),
  );
}

async function marksOf(unit: ContentUnit): Promise<MarksView | undefined> {
  return (await unit.destinations()).marks;
}

/** Of the first class, by provider; 0 for one that is left out. */
const shareOf = (marks: MarksView | undefined, name: string): number =>
  marks?.classes[0]?.links.find(({ link }) => link === name)?.share ?? 0;

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
