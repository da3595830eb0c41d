/**
 * Blocks steered without a session: the unit configures the border router by its driver, and the router itself goes back
 * when the unit is gone. The drawing is in src/lab/topology.ts, place `link`.
 */
import t from 'tap';
import type { UnitChanges } from '../../src/cli/lab/unit.ts';
import { defaultShape, demandOf, type Lab } from '../../src/lab/index.ts';
import { inside } from '../../src/lab/namespaces.ts';
import { labTestSkip, waitFor } from '../support/lab.ts';
import { full, openStage } from '../support/loop.ts';

const timeout = 400_000;
t.setTimeout(timeout);
const isLong = process.env.HEADGATE_LONG === '1';
const programs = { bird: [], frr: ['/usr/lib/frr/bgpd'] } as const;

for (const kind of ['bird', 'frr'] as const) {
  const skip =
    labTestSkip(['/usr/sbin/bird', ...programs[kind]]) || (!isLong && 'a minute: with --long');
  t.test(`${kind}: overload is relieved by its driver`, { skip, timeout }, async (t) => {
    const shape = { ...defaultShape('link'), kind };
    const stage = await openStage(t, shape, 'control', withDriver, `hgconfigured-${kind}`);
    const { lab, unit, traffic, meter, forwardingBefore } = stage;
    traffic.setDemand(demandOf(lab.topology));
    await waitFor('blocks that come in by south', 90_000, async () => (await bySouth(lab)) > 0);
    await waitFor('relief', 90_000, async () => {
      await meter.sample();
      const reading = meter.last(4);
      return reading?.links.every(({ load }) => load <= full) ?? false;
    });
    t.equal(await lab.forwarding('br1'), forwardingBefore[0], 'inside forwarding stays');

    await unit.ask('withdraw', { all: true });
    await waitFor('all is taken back', 30_000, async () => (await bySouth(lab)) === 0);
    await unit.ask('resume');
    await waitFor('and there again', 90_000, async () => (await bySouth(lab)) > 0);

    unit.process.kill('SIGKILL');
    // The shortest lease there is: 45 s.
    await waitFor('plain BGP when the lease ends', 90_000, async () => (await bySouth(lab)) === 0);
    t.notMatch(await configurationOf(lab), /HEADGATE-BLOCK-\S+$|route .* via .*bgp_large/m);
  });
}

/** A driver in the place of the session. */
function withDriver(lab: Lab): UnitChanges {
  const { topology, folder } = lab;
  const own = `${folder}/br1`;
  const kind =
    topology.shape.kind === 'frr'
      ? `kind: frr, vtysh: [vtysh, --vty_socket, ${own}, --config_dir, ${own}]`
      : `kind: bird, file: ${own}.conf, socket: ${own}.ctl`;
  const shell = inside(lab.namespace('br1'), []).join(', ');
  const [ipv4, ipv6] = topology.core;
  const nextHop = `next_hop: { ipv4: ${ipv4}, ipv6: '${ipv6}' }`;
  const driver = `driver: { ${kind}, shell: [${shell}], folder: ${folder}/timers, blocks: true, ${nextHop} }`;
  return {
    edit: (settings) => settings.replaceAll('bgp: { add_path: true }', driver),
    sessions: 0,
  };
}

/** How many ways of sources to blocks lead by south. */
async function bySouth(lab: Lab): Promise<number> {
  const ways = (await lab.waysIn()).flatMap(({ blocks }) => Object.values(blocks));
  return ways.filter((way) => way === 'south').length;
}

const configurationOf = (lab: Lab): Promise<string> =>
  lab.topology.shape.kind === 'frr'
    ? lab.vtysh('br1', 'show running-config')
    : lab.run('br1', ['cat', `${lab.folder}/br1.conf`]);
