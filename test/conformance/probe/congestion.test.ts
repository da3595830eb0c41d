/** Loss and overload imposed on one of two real paths: the verdict finds the link, and leaves the other alone. */
import { createInterface } from 'node:readline';
import t from 'tap';
import { linkId } from '../../../src/core/base/units.ts';
import { judgeCongestion, type Sign } from '../../../src/core/decide/congestion.ts';
import { spawnInside } from '../../../src/lab/namespaces.ts';
import type { LinkProbe } from '../../../src/probe/index.ts';
import { skipWithoutRouter, until } from '../../support/collected-router.ts';
import { hosts, makeProbedPaths, type ProbedPaths } from '../../support/probed-paths.ts';

// The runner's own limit is shorter than a busy machine may need.
t.setTimeout(600_000);

const isLong = process.env.HEADGATE_LONG === '1';
const skip = skipWithoutRouter('nft', 'cc', 'tc');
const capacityBitps = 10e6;
/** Seconds of two cycles in which the prober sends as much as 200 targets get in two of 30 s. */
const twoCyclesS = 6;
/** Lines of the prober, one a second, until they hold nothing older. */
const windowLines = twoCyclesS + 2;

interface Cell {
  readonly loss: number;
  /** Share of the capacity that is offered. */
  readonly offered: number;
  readonly isCongested: boolean;
}
const cells: readonly Cell[] = isLong
  ? [
      { loss: 0, offered: 0.8, isCongested: false },
      { loss: 0.001, offered: 0.5, isCongested: false },
      { loss: 0.01, offered: 0, isCongested: true },
      { loss: 0.01, offered: 0.8, isCongested: true },
      { loss: 0.03, offered: 0, isCongested: true },
      { loss: 0.03, offered: 0.8, isCongested: true },
      { loss: 0, offered: 1.05, isCongested: true },
      { loss: 0, offered: 1.1, isCongested: true },
      { loss: 0, offered: 1.3, isCongested: true },
    ]
  : [
      { loss: 0.01, offered: 0, isCongested: true },
      { loss: 0, offered: 1.1, isCongested: true },
    ];

t.test('congestion of one link is found, and named', { skip }, async (t) => {
  const paths = await makeProbedPaths('hgcc');
  t.teardown(() => paths.remove());
  await paths.shape('10mbit');
  for (const link of ['north', 'south'] as const)
    await paths.impose(link, { delayUs: 5000, loss: 0 });
  const probes = startProber(paths);
  t.teardown(() => probes.stop());
  await until('the first probes', () => probes.latest().length === 2);
  await probes.renewed();

  for (const cell of cells) {
    const { loss, offered, isCongested } = cell;
    const name = `${loss * 100} % loss, ${Math.round(offered * 100)} % load`;
    await t.test(name, async (t) => {
      await paths.impose('north', { delayUs: 5000, loss });
      const load = offered > 0 ? await paths.load(String(offered * capacityBitps)) : undefined;
      let was = { north: false, south: false };
      let found = 0;
      let wrong = 0;
      // A quiet link is looked at for thirty cycles; a busy machine may be late to show what is not quiet.
      for (let look = 0; look < 30 && found === 0; look++) {
        const loads = await measureLoads(paths);
        was = {
          north: judge(probes, 'north', loads.north, was.north),
          south: judge(probes, 'south', loads.south, was.south),
        };
        if (was.north) found = look + 1;
        if (was.south) wrong++;
      }
      if (found > 0) t.comment(`found after ${found} s of the ${twoCyclesS} that two cycles are`);
      t.equal(found > 0, isCongested, `north: ${JSON.stringify(probes.latest()[0])}`);
      t.equal(wrong, 0, `south: ${JSON.stringify(probes.latest()[1])}`);
      load?.kill('SIGKILL');
      await paths.impose('north', { delayUs: 5000, loss: 0 });
      if (cell !== cells.at(-1)) await probes.renewed();
    });
  }
});

function judge(probes: Probes, name: 'north' | 'south', load: number, was: boolean): boolean {
  const probe = probes.latest().find(({ link }) => link === name);
  if (!probe) return false;
  const { coverage, value } = probe.lossRatio;
  const { ratio, sent } = probe.lossNow;
  const signs: Sign[] = [
    { kind: 'probe_loss', value, trials: probe.sent, ageMs: 0, coverage },
    { kind: 'probe_loss', value: ratio, trials: sent, ageMs: 0, coverage },
    { kind: 'load', value: load, ageMs: 0, coverage: 1 },
  ];
  const growth = probe.delayGrowthUs;
  if (growth) signs.push({ kind: 'delay_growth', value: growth.value, ageMs: 0, coverage });
  return judgeCongestion(linkId(name), 'inbound', signs, was).isCongested;
}

/** Loads over a second, as routers' counters give them. */
async function measureLoads(paths: ProbedPaths): Promise<{ north: number; south: number }> {
  const before = {
    at: Date.now(),
    north: await paths.inboundBytes('north'),
    south: await paths.inboundBytes('south'),
  };
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const seconds = (Date.now() - before.at) / 1000;
  const share = async (link: 'north' | 'south') =>
    (((await paths.inboundBytes(link)) - before[link]) * 8) / seconds / capacityBitps;
  return { north: await share('north'), south: await share('south') };
}

interface Probes {
  latest(): readonly LinkProbe[];
  /** When the window holds nothing from before the call. */
  renewed(): Promise<void>;
  stop(): void;
}

function startProber(paths: ProbedPaths): Probes {
  const child = spawnInside(paths.unit, ['node', 'dist/test/support/prober-child.js', ...hosts], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let latest: readonly LinkProbe[] = [];
  let lines = 0;
  if (child.stdout) {
    createInterface(child.stdout).on('line', (line) => {
      // Our own child's lines.
      latest = JSON.parse(line) as readonly LinkProbe[];
      lines++;
    });
  }
  return {
    latest: () => latest,
    async renewed() {
      const from = lines;
      await until('the window to renew itself', () => lines - from >= windowLines);
    },
    stop: () => child.kill('SIGKILL'),
  };
}
