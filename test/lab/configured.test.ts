/**
 * Blocks steered without a session: the unit configures the border router by its driver, and the router itself goes back
 * when the unit is gone. The drawing is in src/lab/topology.ts, place `inside`: there the wire may die
 * with the unit, and the routers' sessions with the providers do not.
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
    const shape = { ...defaultShape('inside'), kind };
    const stage = await openStage(t, shape, 'control', withDriver, `hgconfigured-${kind}`);
    const { lab, unit, traffic, meter, forwardingBefore } = stage;
    traffic.setDemand(demandOf(lab.topology));
    await waitFor('blocks that come in by south', 90_000, async () =>
      (await ways(lab)).includes('south'),
    );
    await waitFor('relief', 90_000, async () => {
      await meter.sample();
      const reading = meter.last(4);
      return reading?.links.every(({ load }) => load <= full) ?? false;
    });
    for (const [i, { name }] of lab.topology.routers.entries())
      t.equal(await lab.forwarding(name), forwardingBefore[i], `${name} forwards as before`);

    await unit.ask('withdraw', { all: true });
    await waitFor('all is taken back', 30_000, async () => allByNorth(await ways(lab)));
    await unit.ask('resume');
    await waitFor('and there again', 90_000, async () => (await ways(lab)).includes('south'));

    unit.process.kill('SIGKILL');
    // The shortest lease there is: 45 s.
    const ours = /network .* HEADGATE-BLOCK|route .* \{ bgp_large/;
    await waitFor('plain BGP when the leases end', 120_000, async () => {
      const texts = lab.topology.routers.map(({ name }) => configurationOf(lab, name));
      return !(await Promise.all(texts)).some((text) => ours.test(text));
    });
    await waitFor('all by north again', 30_000, async () => allByNorth(await ways(lab)));
  });
}

/** Drivers in the place of the sessions. */
function withDriver(lab: Lab): UnitChanges {
  const { topology, folder } = lab;
  const [ipv4, ipv6] = topology.core;
  const driverOf = (router: string) => {
    const own = `${folder}/${router}`;
    const kind =
      topology.shape.kind === 'frr'
        ? `kind: frr, vtysh: [vtysh, --vty_socket, ${own}, --config_dir, ${own}]`
        : `kind: bird, file: ${own}.conf, socket: ${own}.ctl`;
    const shell = inside(lab.namespace(router), []).join(', ');
    const nextHop = `next_hop: { ipv4: ${ipv4}, ipv6: '${ipv6}' }`;
    return `driver: { ${kind}, shell: [${shell}], folder: ${own}-timers, blocks: true, ${nextHop} }`;
  };
  return {
    edit: (settings) =>
      settings.replace(
        /(name: (br\d), .*)bgp: \{ add_path: true \}/g,
        (_, before: string, router: string) => `${before}${driverOf(router)}`,
      ),
    sessions: 0,
  };
}

/** Each source's way to each block. */
const ways = async (lab: Lab): Promise<readonly string[]> =>
  (await lab.waysIn()).flatMap(({ blocks }) => Object.values(blocks));

const allByNorth = (list: readonly string[]): boolean => list.every((way) => way === 'north');

const configurationOf = (lab: Lab, router: string): Promise<string> =>
  lab.topology.shape.kind === 'frr'
    ? lab.vtysh(router, 'show running-config')
    : lab.run(router, ['cat', `${lab.folder}/${router}.conf`]);
