/** Commands that look at this machine, with the settings of several units: only what is this one's concerns them. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { describe } from '../../../src/cli/check.ts';
import { ownSettings } from '../../../src/cli/face/settings-file.ts';
import { policyFor } from '../../../src/cli/router-config.ts';
import { renderPolicy } from '../../../src/router/templates/index.ts';
import { settingsOf, threeUnits, twoLinks } from '../../support/settings.ts';

const names = (entries: ReadonlyArray<{ readonly name: string }>) => entries.map((e) => e.name);

t.test('of several units the wires, routers and links of this one', async (t) => {
  const mid = ownSettings(settingsOf(threeUnits.replace('unit: west, units', 'unit: mid, units')));
  t.same([names(mid.wires), names(mid.routers), names(mid.links)], [[], ['br2'], ['l3']]);
  const west = ownSettings(settingsOf(threeUnits));
  t.same([names(west.wires), names(west.links)], [['w'], ['l1', 'l2']]);
  const alone = settingsOf(twoLinks);
  t.equal(ownSettings(alone), alone, 'a unit alone has all of it');
  t.throws(() => ownSettings(settingsOf(threeUnits.replace('unit: west, units', 'units'))), {
    code: 'unknown_unit',
  });
});

t.test(
  'check says who decides, for how long a lost unit counts, and what has no effect',
  async (t) => {
    const said = describe(settingsOf(`${threeUnits}regroup: {}\n`)).join('\n');
    t.match(said, /units west, mid, east decide as one, .* another decides 10 s after/);
    t.match(said, /keeps the last plan for 10 min 15 s, .* leave its links out after 10 min 30 s/);
    t.match(said, /wire w at west: .*\n/);
    t.match(said, /router br2 at mid: /);
    t.match(said, /regroup: does nothing/);
    t.notMatch(describe(settingsOf(`${twoLinks}regroup: {}\n`)).join('\n'), /units|regroup: does/);
  },
);

const addressed = threeUnits.replace('router_id: 10.0.0.9', 'address: 10.0.0.9');

t.test('the policy of a router is printed where its unit is, or is known', async (t) => {
  const settings = settingsOf(addressed);
  t.match(policyFor(settings, 'br1').unit, { address: '10.0.0.9' });
  t.throws(() => policyFor(settings, 'br2'), /speaks with mid, .* run this at mid/);
  t.match(policyFor(settings, 'br2', '10.0.0.7').unit, { address: '10.0.0.7' });
  const told = settingsOf(addressed.replace('{ name: mid }', '{ name: mid, address: 10.0.0.8 }'));
  t.match(policyFor(told, 'br2').unit, { address: '10.0.0.8' }, 'at any unit');
});

t.test('a pair has its sessions twice in a router’s configuration', async (t) => {
  const pair = (mid: string) =>
    settingsOf(
      threeUnits
        .replace('unit: west, address: 10.0.0.1', 'unit: [west, mid], address: 10.0.0.1')
        .replace('br2, unit: mid', 'br2, unit: [west, mid]')
        .replace('{ name: mid }', `{ name: mid${mid} }`)
        .replace('router_id: 10.0.0.9', 'address: 10.0.0.9, egress_address: 10.0.0.10')
        .concat('outbound: {}\nbmp: { listen: "0.0.0.0:11019" }\n'),
    );
  t.throws(() => policyFor(pair(''), 'br1'), /speaks with mid, whose address/, 'never one alone');
  const policy = policyFor(pair(', address: 10.0.0.7, egress_address: 10.0.0.8'), 'br1');
  for (const kind of ['frr', 'bird', 'junos', 'iosxr', 'ios'] as const) {
    const text = renderPolicy(kind, policy);
    for (const address of ['10.0.0.7', '10.0.0.8', '10.0.0.9', '10.0.0.10'])
      t.match(
        text,
        new RegExp(`neighbor ${address.replaceAll('.', '[.]')}\\s`),
        `${kind} ${address}`,
      );
    t.match(text, /10\.0\.0\.7[\s\S]*11019/, `${kind}: both stations`);
  }
  const bird = renderPolicy('bird', policy);
  for (const name of ['west', 'mid', 'detours_west', 'detours_mid']) {
    t.match(bird, new RegExp(`protocol bgp headgate_${name}\n`));
    t.match(bird, new RegExp(`proto != "headgate_${name}"`), 'what one says is not told the other');
  }
});

t.test('the settings that the manual shows for several units are right as printed', async (t) => {
  const [, manual = ''] = readFileSync('README.md', 'utf8').split('### Several units');
  const block = /```yaml\n(.*?)```/s.exec(manual)?.[1] ?? '';
  const { cluster, routers } = settingsOf(`asn: 64512
mode: observe
networks: [198.51.100.0/22]
management: { address: 10.0.0.9 }
links: [{ name: a, asn: 65001, capacity: 1G, router: br1 }, { name: b, asn: 65002, capacity: 1G, router: br2 }]
${block}`);
  t.equal(cluster?.servers.length, 3);
  t.equal(routers.length, 2);
});
