/**
 * The same loop with no wire: the unit stands beside two border routers and knows what their SNMP agents, their flow
 * exports and BGP tell. Judged as in-line: by receivers, interface counters and routers.
 */
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { LinkView } from '../../src/control/index.ts';
import { defaultShape, demandOf } from '../../src/lab/index.ts';
import { exporterPidFile } from '../../src/lab/instruments.ts';
import { labTestSkip, waitFor } from '../support/lab.ts';
import { driveLoop, type Stage } from '../support/loop.ts';

/** A busy machine may make any of the waits long; each has its own deadline. */
const timeout = 400_000;
t.setTimeout(timeout);

const skip = labTestSkip([
  '/usr/sbin/bird',
  '/usr/sbin/snmpd',
  '/usr/bin/snmpset',
  '/usr/sbin/softflowd',
]);

t.test('overload is relieved, and stays so as the load shifts', { skip, timeout }, (t) =>
  driveLoop(
    t,
    defaultShape('beside'),
    process.env.HEADGATE_LONG === '1' ? 2 : 1,
    async (t, live) => {
      await ratesAgree(t, live);
      await contradictionFreezes(t, live);
    },
  ),
);

/** What the unit took from agents and exporters, beside what the interfaces carried. */
async function ratesAgree(t: Test, { lab, unit, traffic, meter }: Stage): Promise<void> {
  traffic.setDemand(demandOf(lab.topology));
  let text = 'nothing was compared';
  await waitFor('the unit and the interfaces agree within 5 %', 60_000, async () => {
    await meter.sample();
    const seconds = meter.last(6);
    // control/views.ts is what the command answers.
    const links = (await unit.ask('links')) as readonly LinkView[];
    const pairs = (seconds?.links ?? []).map((link) => ({
      ...link,
      told: links.find(({ name }) => name === link.name)?.inbound_bitps ?? 0,
    }));
    text = pairs
      .map(({ name, bitps, told }) => `${name} ${bitps.toFixed(0)}, unit ${told}`)
      .join('; ');
    return (
      (seconds?.seconds ?? 0) > 5 &&
      pairs.every(({ bitps, told }) => bitps > 1e6 && Math.abs(told / bitps - 1) < 0.05)
    );
  });
  t.pass(text);
}

/** An exporter that falls silent says that nothing comes in; the router's counters say otherwise. */
async function contradictionFreezes(t: Test, { lab, unit }: Stage): Promise<void> {
  const north = lab.topology.providers.find(({ name }) => name === 'north');
  if (!north) throw new Error('the lab has north');
  process.kill(Number(readFileSync(exporterPidFile(lab.folder, north), 'utf8')));
  await waitFor('the unit to freeze', 60_000, async () => {
    const { reasons } = await unit.status();
    return reasons.some(({ what }) =>
      /contradiction: snmp says \d+ bit\/s inbound by north/.test(what),
    );
  });
  // The limit bites before the exporter's last records have left the averaging window: what differs grows on to all of it.
  let ratio = 'no such metric';
  await waitFor('the metric to tell that nearly all differs', 60_000, async () => {
    const text = (await fetchMetrics(lab)).split('\n');
    ratio =
      text.find((line) =>
        line.startsWith(
          'headgate_link_disagreement_ratio{link="north",direction="inbound",one="snmp",other="ipfix"}',
        ),
      ) ?? 'no such metric';
    return Number(ratio.split(' ').at(-1)) > 0.6;
  });
  t.pass(ratio);
}

const fetchMetrics = (lab: Stage['lab']): Promise<string> =>
  lab.run('unit', [
    ...[process.execPath, '-e'],
    `fetch('http://${lab.topology.unit}:9469/metrics').then((r) => r.text()).then((text) => process.stdout.write(text))`,
  ]);
