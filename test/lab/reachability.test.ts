/**
 * Steering never leaves a block unreachable: two border routers with one link each, our speaker, and every way to bias
 * a block in turn, in both families; every source pings the blocks throughout, and no echo may be missing.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { borderPolicy } from '../../src/cli/lab/policy.ts';
import { prefixOf } from '../../src/core/base/prefix.ts';
import { asn, linkId, prefixText, routerId } from '../../src/core/base/units.ts';
import type { Desired } from '../../src/core/bgp/announcement.ts';
import { announcementsFor, type Ladder } from '../../src/core/bgp/steering.ts';
import { defaultShape, type Lab, type LabShape, openLab } from '../../src/lab/index.ts';
import { closeLab } from '../../src/lab/lab.ts';
import { spawnInside } from '../../src/lab/namespaces.ts';
import type { AnnouncerOptions } from '../support/announcer.ts';
import { labTestSkip, waitFor } from '../support/lab.ts';

const timeout = 300_000;
t.setTimeout(timeout);

const steered = [
  { block: '198.18.3.0/24', host: '198.18.3.10' },
  { block: '2001:db8:100::/40', host: '2001:db8:100::10' },
];
/** By its own name each way to bias, as a rung; the provider's communities make north prepend twice. */
const ladder: Ladder = [
  { kind: 'unbiased' },
  { kind: 'prepend', times: 1 },
  { kind: 'more_specifics' },
  {
    kind: 'provider_communities',
    name: 'prepend_2',
    byLink: new Map([[1, { communities: [[65001, 102]], largeCommunities: [] }]]),
  },
];
const north = ['north', 'north', 'north', 'north'];
const steps: ReadonlyArray<{
  readonly name: string;
  readonly rung: number | undefined;
  readonly ways: readonly string[];
}> = [
  { name: 'announced without bias', rung: 0, ways: north },
  { name: 'by prepends', rung: 1, ways: ['south', 'south', 'north', 'north'] },
  { name: 'by more-specifics', rung: 2, ways: ['south', 'south', 'south', 'south'] },
  { name: 'by the provider’s communities', rung: 3, ways: ['south', 'south', 'south', 'north'] },
  { name: 'withdrawn to the aggregate', rung: undefined, ways: north },
];

// One of them by default, both in the long run.
const kinds = process.env.HEADGATE_LONG === '1' ? (['bird', 'frr'] as const) : (['frr'] as const);

t.test('a missing echo is noticed', async (t) => {
  t.equal(missing([1, 2, 3]), 0);
  t.equal(missing([1, 2, 4, 5]), 1);
});

for (const kind of kinds) {
  const programs = ['/usr/sbin/bird', ...(kind === 'frr' ? ['/usr/lib/frr/bgpd'] : [])];
  const shape: LabShape = { ...defaultShape('inside'), kind };
  t.test(
    `two ${kind} routers: every way to steer, and no echo lost`,
    { skip: labTestSkip(programs), timeout },
    (t) => everyWay(t, shape),
  );
}

async function everyWay(t: Test, shape: LabShape): Promise<void> {
  const prefix = `hgreach-${shape.kind}`;
  const lab = await openLab({ shape, policy: borderPolicy, prefix, wires: 'bridge' });
  t.teardown(() => closeLab(prefix));
  await lab.waitForRoutes(60_000);
  const announce = await startAnnouncer(t, lab);
  const forwardingBefore = await forwarding(lab);
  const pings = lab.topology.sources.flatMap((source) =>
    steered.map(({ host }) => ping(lab, source.name, source.hosts, host)),
  );
  await waitFor('every ping is answered', 30_000, () => pings.every((p) => p.answers.length > 0));
  for (const { name, rung, ways } of steps) {
    announce(rung === undefined ? [] : [...desired(rung)]);
    for (const { block } of steered) {
      await waitFor(`${block} ${name} comes in by ${ways}`, 60_000, async () => {
        const seen = (await lab.waysIn()).map((source) => source.blocks[block]);
        return seen.join() === ways.join();
      });
      t.pass(`${block} ${name}`);
    }
    // Ten more echoes each, so that what the change broke would be seen.
    const marks = pings.map((p) => p.answers.length);
    await waitFor('echoes go on', 30_000, () =>
      pings.every((p, i) => p.answers.length >= (marks[i] ?? 0) + 10),
    );
  }
  t.same(await forwarding(lab), forwardingBefore, 'the routers forward as before');
  for (const { name, answers, stop } of pings) {
    stop();
    t.equal(missing(answers), 0, `${name}: ${answers.length} echoes`);
  }
}

const forwarding = (lab: Lab) =>
  Promise.all(lab.topology.routers.map((router) => lab.forwarding(router.name)));

function desired(rung: number): Desired {
  return announcementsFor({
    asn: asn(64512),
    ladder,
    networks: ['198.18.0.0/21', '2001:db8::/39'].map((text) => prefixOf(prefixText(text))),
    mayAnnounce: () => false,
    links: ['north', 'south'].map((name, i) => ({
      id: linkId(name),
      number: i + 1,
      router: routerId(`br${i + 1}`),
      neighbor: asn(65001 + i),
      isEligible: true,
    })),
    blocks: steered.map(({ block }) => ({
      block: prefixText(block),
      link: linkId('south'),
      rung,
      reason: 'the test says so',
    })),
  });
}

/** Our speaker in the unit's place; gives the function that sets its desired state. */
async function startAnnouncer(t: Test, lab: Lab): Promise<(desired: readonly unknown[]) => void> {
  const { topology } = lab;
  const options: AnnouncerOptions = {
    asn: topology.asn,
    address: topology.unit,
    routers: topology.routers.map(({ name, management }) => ({ name, address: management })),
    networks: topology.networks,
  };
  const program = fileURLToPath(new URL('../support/announcer.js', import.meta.url));
  const child = spawnInside(
    lab.namespace('unit'),
    [process.execPath, program, JSON.stringify(options)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  t.teardown(() => child.kill('SIGKILL'));
  if (child.stdout) await once(child.stdout, 'data');
  return (state) => child.stdin?.write(`${JSON.stringify(state)}\n`);
}

interface Ping {
  readonly name: string;
  /** Sequence numbers of the answers, in the order of their arrival. */
  readonly answers: readonly number[];
  readonly stop: () => void;
}

function ping(lab: Lab, source: string, from: readonly [string, string], host: string): Ping {
  const own = from[host.includes(':') ? 1 : 0];
  const child = spawnInside(lab.namespace(source), ['ping', '-i', '0.1', '-I', own, host], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const answers: number[] = [];
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const sequence = /icmp_seq=(\d+) ttl=/.exec(line)?.[1];
      if (sequence !== undefined) answers.push(Number(sequence));
    });
  }
  return { name: `${source} to ${host}`, answers, stop: () => child.kill('SIGKILL') };
}

/** Numbers up to the last answer that are not there; what is still under way at the end is not missing. */
function missing(answers: readonly number[]): number {
  return Math.max(0, ...answers) - new Set(answers).size;
}
