/** Commands that look at this machine, with the settings of several units: only what is this one's concerns them. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { describe } from '../../../src/cli/check.ts';
import { ownSettings } from '../../../src/cli/face/settings-file.ts';
import { refuseOthers } from '../../../src/cli/router-config.ts';
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

t.test('the policy of a router is printed where its unit is', async (t) => {
  const settings = settingsOf(threeUnits);
  t.doesNotThrow(() => refuseOthers(settings, 'br1'));
  t.throws(() => refuseOthers(settings, 'br2'), /speaks with mid: run this there/);
  t.doesNotThrow(() => refuseOthers(settingsOf(twoLinks), 'br1'), 'a unit alone has all routers');
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
