/** What the suites of this folder ask the same of: a driver on each kind of router, in a lab with one border router. */
import { readFileSync } from 'node:fs';
import type { Test } from 'tap';
import { borderPolicy } from '../../../src/cli/lab/policy.ts';
import { prefixOf } from '../../../src/core/base/prefix.ts';
import {
  asn,
  linkId,
  type PrefixText,
  prefixText,
  routerId,
} from '../../../src/core/base/units.ts';
import { announcementsFor } from '../../../src/core/bgp/steering.ts';
import { defaultShape, type Lab, openLab } from '../../../src/lab/index.ts';
import { closeLab } from '../../../src/lab/lab.ts';
import { inside, run } from '../../../src/lab/namespaces.ts';
import { birdDialect } from '../../../src/router/bird/dialect.ts';
import type { RouterDialect } from '../../../src/router/driver.ts';
import { frrDialect } from '../../../src/router/frr/dialect.ts';
import { emptyIntent, type RouterIntent } from '../../../src/router/intent.ts';
import { sessionsDialect } from '../../../src/router/sessions.ts';
import type { RouterShell } from '../../../src/router/shell.ts';
import { waitFor } from '../../support/lab.ts';

export interface Candidate {
  readonly kind: 'bird' | 'frr';
  readonly programs: readonly string[];
  readonly dialect: (lab: Lab, shell: RouterShell) => RouterDialect;
  /** All of the router's configuration that is not ours. */
  readonly others: (lab: Lab) => Promise<string>;
}

export const candidates: readonly Candidate[] = [
  {
    kind: 'bird',
    programs: ['/usr/sbin/bird', '/usr/sbin/nft'],
    dialect: (lab, shell) =>
      birdDialect({ shell, file: `${lab.folder}/br1.conf`, socket: `${lab.folder}/br1.ctl` }),
    others: async (lab) =>
      readFileSync(`${lab.folder}/br1.conf`, 'utf8').replace(
        /# headgate begin[^\n]*\n[\s\S]*# headgate end/,
        '',
      ),
  },
  {
    kind: 'frr',
    programs: ['/usr/sbin/bird', '/usr/sbin/nft', '/usr/lib/frr/bgpd'],
    dialect: (lab, shell) => {
      const folder = `${lab.folder}/br1`;
      return frrDialect({
        shell,
        asn: lab.topology.asn,
        vtysh: ['vtysh', '--vty_socket', folder, '--config_dir', folder],
        folder: `${lab.folder}/timers`,
      });
    },
    others: async (lab) =>
      (await lab.vtysh('br1', 'show running-config'))
        .replace(/^route-map HEADGATE-BLOCK[\s\S]*?^exit$/gm, '')
        .replace(/^.*(HEADGATE-BLOCK|tag 26727).*$/gm, '')
        .replace(/(^!?\n)+/gm, ''),
  },
];

export const block4 = prefixText('198.18.3.0/24');
export const block6 = prefixText('2001:db8:100::/40');
export const foreign = prefixText('10.101.0.0/24');
export const egressAddress = '10.0.9.11';

/** The lab with one border router of a kind. */
export async function openRouterLab(
  t: Test,
  { kind }: Candidate,
  prefix: string,
): Promise<{ readonly lab: Lab; readonly shell: RouterShell }> {
  const lab = await openLab({
    shape: { ...defaultShape('link'), kind },
    policy: (topology, router) => borderPolicy(topology, router, egressAddress),
    prefix,
    wires: 'bridge',
  });
  t.teardown(() => closeLab(prefix));
  await lab.waitForRoutes(60_000);
  return {
    lab,
    shell: { run: (argv, input) => run(inside(lab.namespace('br1'), argv), input) },
  };
}

/** Single sessions on the lab's border router. */
export const sessionsOf = (lab: Lab, shell: RouterShell): RouterDialect =>
  sessionsDialect({
    shell,
    folder: `${lab.folder}/timers`,
    gateways: [
      { number: 1, ipv4: '192.0.2.1', ipv6: 'fd00:0:2:1::1' },
      { number: 2, ipv4: '192.0.2.5', ipv6: 'fd00:0:2:2::1' },
    ],
  });

/** How traffic comes in and goes out, as the routers of the lab have it. */
export function roads(lab: Lab) {
  const waysTo = async (block: string) =>
    (await lab.waysIn()).map((source) => source.blocks[block] ?? 'none');
  const comesIn = (block: string, expected: readonly string[], withinS = 30) =>
    waitFor(
      `${block} comes in by ${expected}`,
      withinS * 1000,
      async () => (await waysTo(block)).join() === expected.join(),
    );
  const leavesBy = (host: string, link: string) =>
    waitFor(`${host} is reached by ${link}`, 30_000, async () => {
      const route = await lab.run('br1', ['ip', 'route', 'get', host]);
      return /dev (\S+)/.exec(route)?.[1] === link;
    });
  return { waysTo, comesIn, leavesBy };
}

/** The announcements of a plan that steers blocks to south, on the rungs given. */
export function steer(rungs: Readonly<Record<string, number>>): RouterIntent {
  const router = routerId('br1');
  const links = ['north', 'south'].map((name, i) => ({
    id: linkId(name),
    number: i + 1,
    router,
    neighbor: asn(65001 + i),
    isEligible: true,
  }));
  const desired = announcementsFor({
    asn: asn(64512),
    networks: ['198.18.0.0/21', '2001:db8::/39'].map((text) => prefixOf(prefixText(text))),
    mayAnnounce: () => false,
    links,
    blocks: Object.entries(rungs).map(([block, rung]) => ({
      block: prefixText(block),
      link: linkId('south'),
      rung,
      reason: 'the test says so',
    })),
  });
  const blocks = (desired.get(router) ?? []).map((announcement) => ({
    ...announcement,
    nextHop: insideNextHop(announcement.prefix),
  }));
  return { ...emptyIntent, blocks };
}

const insideNextHop = (prefix: PrefixText) =>
  prefix.includes(':') ? 'fd00:0:0:1::10' : '10.0.0.10';
