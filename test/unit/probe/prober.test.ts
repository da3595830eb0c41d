import t from 'tap';
import {
  type Address,
  formatAddress,
  parseAddress,
  parsePrefix,
} from '../../../src/core/base/prefix.ts';
import { linkId } from '../../../src/core/base/units.ts';
import { ProbeBudget } from '../../../src/probe/budget.ts';
import { checkLinks } from '../../../src/probe/check.ts';
import type {
  ProbeEngine,
  ProbeLink,
  ProbeOutcome,
  ProbeTarget,
} from '../../../src/probe/index.ts';
import { createProber } from '../../../src/probe/index.ts';
import { SourceChecks } from '../../../src/probe/source-checks.ts';
import { candidates, HostChoice } from '../../../src/probe/targets.ts';

const address = (text: string): Address => {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const prefix = (text: string) => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const north = linkId('north');
const south = linkId('south');
const links: readonly ProbeLink[] = [
  { link: north, sources: [address('203.0.113.1')], dscp: 10 },
  { link: south, sources: [address('203.0.113.2')], dscp: 20 },
];
const target: ProbeTarget = { address: address('192.0.2.1'), method: 'icmp', port: 0 };
const limits = { perLink: 10, perNetwork: 2, prohibitedForMs: 60_000 };

t.test('budgets bound what one link and one network get', async (t) => {
  const budget = new ProbeBudget(limits, () => false);
  const take = (host: string, nowMs: number) => budget.take(north, address(host), nowMs);
  t.same(
    [take('192.0.2.1', 0), take('192.0.2.2', 0), take('192.0.2.3', 0)],
    [undefined, undefined, 'network_budget'],
  );
  t.equal(take('192.0.2.3', 500), undefined, 'half a second later there is one more');
  const spread = Array.from({ length: 20 }, (_, i) => take(`198.51.${i}.1`, 500));
  t.equal(spread.filter((refusal) => refusal === undefined).length, 9);
  t.equal(spread.at(-1), 'link_budget');
});

t.test('the list of networks that are never probed, and requests to stop, are kept', async (t) => {
  const budget = new ProbeBudget(limits, (host) => host.bytes[0] === 10);
  t.equal(budget.take(north, address('10.1.1.1'), 0), 'never');
  budget.prohibit(address('192.0.2.77'), 1000);
  t.equal(budget.take(north, address('192.0.2.1'), 2000), 'prohibited', 'the whole network');
  t.equal(budget.take(north, address('192.0.3.1'), 2000), undefined);
  t.equal(budget.take(north, address('192.0.2.1'), 62_000), undefined, 'until the time is over');
});

t.test('a silent host is replaced by others seen, then by neighbours in its subnet', async (t) => {
  const network = {
    prefix: prefix('192.0.2.0/24'),
    hosts: ['192.0.2.7', '192.0.2.9'].map(address),
  };
  const order = (isResolver: boolean) =>
    candidates({ ...network, isResolver }).map(
      ({ address: { bytes }, method, port }) => `${bytes[3]} ${method} ${port}`,
    );
  const seen = ['7 icmp 0', '9 icmp 0'];
  const neighbours = ['1 icmp 0', '8 icmp 0', '6 icmp 0', '10 icmp 0'];
  t.same(order(false), [...seen, ...neighbours]);
  const inDns = ['7 udp 53', '9 udp 53', '7 tcp 53', '9 tcp 53'];
  t.same(order(true), [...seen, ...inDns, ...neighbours], 'resolvers are also asked in DNS');
  const choice = new HostChoice(network);
  for (let i = 0; i < 4; i++) choice.note(false);
  choice.note(true);
  for (let i = 0; i < 4; i++) choice.note(false);
  t.equal(choice.current()?.address.bytes[3], 7, 'an answer in between counts');
  choice.note(false);
  t.equal(choice.current()?.address.bytes[3], 9);
  for (let i = 0; i < 25; i++) choice.note(false);
  t.equal(choice.current(), undefined, 'a few questions, then none');
});

const reached = (rttUs: number): ProbeOutcome => ({ kind: 'reached', rttUs });
const engineOf = (answer: (link: ProbeLink, target: ProbeTarget) => ProbeOutcome): ProbeEngine => ({
  probe: async (link, asked) => answer(link, asked),
  close: () => undefined,
});

t.test('the check at start tells by which link answers really return', async (t) => {
  // South's source is routed to us by north: a probe with it would measure north.
  const arrived = new Map([[north, 0]]);
  const engine = engineOf(() => {
    arrived.set(north, (arrived.get(north) ?? 0) + 1);
    return reached(1000);
  });
  const seen = await checkLinks(engine, links, [target], () => new Map(arrived), 100);
  t.match(seen, [
    { link: north, state: 'verified', by: north },
    { link: south, state: 'wrong_link', by: north },
  ]);
  const blind = await checkLinks(engine, links, [target], () => undefined, 100);
  t.match(blind, [{ state: 'unverified' }, { state: 'unverified' }]);
  t.match(await checkLinks(engine, links, [], () => new Map(arrived), 100), [
    { state: 'unverified' },
    { state: 'unverified' },
  ]);
  const dead = engineOf(() => ({ kind: 'lost' }));
  t.match(await checkLinks(dead, links, [target], () => new Map(), 100), [
    { state: 'no_answer' },
    { state: 'no_answer' },
  ]);
});

/** Runs a prober with short intervals until `holds`, then stops it. */
async function runProber(
  answer: (link: ProbeLink, target: ProbeTarget) => ProbeOutcome,
  holds: (prober: ReturnType<typeof createProber>) => boolean,
  change: Partial<Parameters<typeof createProber>[0]> = {},
): Promise<void> {
  const prober = createProber({
    links,
    targets: [target],
    intervalMs: 2,
    timeoutMs: 100,
    budget: { perLink: 1e6, perNetwork: 1e6, prohibitedForMs: 60_000 },
    never: [],
    significance: 0.001,
    engine: engineOf(answer),
    ...change,
  });
  await prober.start();
  prober.setFound([{ prefix: prefix('198.51.100.0/24'), hosts: [address('198.51.100.9')] }]);
  const deadline = Date.now() + 30_000;
  while (!holds(prober)) {
    if (Date.now() > deadline) throw new Error(JSON.stringify(prober.samples()));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await prober.stop();
}

t.test('links are judged by the targets that answer', async (t) => {
  let calls = 0;
  await runProber(
    (link, asked) => {
      if (asked.address.bytes[0] === 198) return { kind: 'lost' };
      if (link.link === south && ++calls % 4 === 0) return { kind: 'lost' };
      return reached(link.link === north ? 10_000 : 30_000);
    },
    (prober) => {
      const samples = prober.samples();
      const [first, second] = samples.links;
      if (!first || !second || samples.sent < 400) return false;
      t.match(first, {
        link: north,
        lossRatio: { value: 0, coverage: 1 },
        rttUs: { value: 10_000 },
      });
      t.ok(
        Math.abs(second.lossRatio.value - 0.25) < 0.1,
        "a silent network is not the link's loss",
      );
      t.match(second.rttUs, { value: 30_000, source: 'probe' });
      return true;
    },
  );
});

t.test('a link whose source does not hold is not probed', async (t) => {
  const asked = new Set<string>();
  let isStarted = false;
  const arrived = new Map<typeof north, number>();
  await runProber(
    (link) => {
      if (isStarted) asked.add(link.link);
      arrived.set(north, (arrived.get(north) ?? 0) + 1);
      return reached(1000);
    },
    (prober) => {
      isStarted = true;
      return prober.samples().sent > 20;
    },
    { witness: () => new Map(arrived) },
  );
  t.same([...asked], [north]);
});

t.test(
  'a witness that is slow, or a route that changes, takes a source out, and in again',
  async (t) => {
    let way = north;
    const arrived = new Map<typeof north, number>();
    const checks = new SourceChecks(links, () => new Map(arrived));
    const arrive = (packets: number) => arrived.set(way, (arrived.get(way) ?? 0) + packets);
    for (const { link, sources } of links) {
      const source = formatAddress(sources[0]?.bytes ?? new Uint8Array());
      checks.set({ link, family: 4, source, state: 'unverified' }, 0);
    }
    t.ok(checks.usable(south), 'probed until the witness speaks');
    t.same(checks.look(1), [], 'the first look has nothing to compare with');
    arrive(2);
    t.same(checks.look(2), [], 'two packets may be a stranger’s');
    arrive(20);
    // One counter stands for both here: what north gets right is wrong of south.
    t.same(checks.look(3), [south]);
    t.match(checks.checks(), [{ state: 'verified' }, { state: 'wrong_link', by: north }]);
    t.equal(checks.usable(south), undefined);
    t.same(checks.due(60_000), [], 'a route is not asked about at every turn');
    t.match(checks.due(700_000), [{ link: { link: south } }]);
    way = south;
    arrive(20);
    t.same(checks.look(4), [north], 'the route changed');
  },
);

t.test('"administratively prohibited" ends the probes of that network', async (t) => {
  let prohibited = 0;
  await runProber(
    (_, asked) => {
      if (asked.address.bytes[0] !== 198) return reached(1000);
      prohibited++;
      return { kind: 'prohibited' };
    },
    (prober) => prober.samples().skipped.prohibited > 10,
  );
  t.ok(prohibited <= 2, `${prohibited} probes before it was heard`);
});
