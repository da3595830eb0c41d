import fc from 'fast-check';
import t from 'tap';
import { prefixText } from '../../../src/core/base/units.ts';
import {
  commandsFor,
  parseRunningConfig,
  renderFrrSection,
} from '../../../src/router/frr/render.ts';
import { emptyIntent, type RouterIntent } from '../../../src/router/intent.ts';

const prefixes = ['198.18.0.0/24', '198.18.9.0/24', '198.18.10.0/24', '2001:db8::/40'].map(
  prefixText,
);
const foreign = ['10.1.0.0/24', '10.2.0.0/24', '2001:db8:f001::/48'].map(prefixText);

const intents = fc
  .record({
    blocks: fc.uniqueArray(
      fc.record({ prefix: fc.constantFrom(...prefixes), times: fc.integer({ min: 1, max: 5 }) }),
      { selector: (block) => block.prefix },
    ),
    destinations: fc.uniqueArray(
      fc.record({ prefix: fc.constantFrom(...foreign), last: fc.integer({ min: 1, max: 3 }) }),
      { selector: (destination) => destination.prefix },
    ),
  })
  .map(
    ({ blocks, destinations }): RouterIntent => ({
      ...emptyIntent,
      blocks: blocks.map(({ prefix, times }) => ({
        prefix,
        communities: [],
        largeCommunities: [
          [64512, 0, 1],
          [64512, 1, times],
        ],
        prepend: 0,
      })),
      destinations: destinations.map(({ prefix, last }) => ({
        prefix,
        gateway: prefix.includes(':') ? `fd00::${last}` : `192.0.2.${last}`,
      })),
    }),
  );

/** The slow model of FRR: a set of networks by prefix and of static routes, changed by one command at a time. */
function run(
  section: string,
  commands: readonly string[],
  watch: (networks: Map<string, string>) => void,
) {
  const networks = new Map<string, string>();
  const routes = new Set<string>();
  const maps = new Set<string>();
  for (const line of section.split('\n')) {
    const [kind, prefix = '', , map = ''] = line.split(' ');
    if (kind === 'network') networks.set(prefix, map);
    if (kind === 'route') routes.add(line);
    if (map) maps.add(map);
  }
  for (const command of commands) {
    const words = command.split(' ');
    if (words[0] === 'route-map') maps.add(words[1] ?? '');
    if (words[0] === 'network') {
      if (!maps.has(words[3] ?? '')) throw new Error(`${words[3]} is not defined yet`);
      networks.set(words[1] ?? '', words[3] ?? '');
    }
    if (command.startsWith('no network')) networks.delete(words[2] ?? '');
    if (/^ip(v6)? route/.test(command)) routes.add(`route ${words[2]} ${words[3]}`);
    if (/^no ip(v6)? route/.test(command)) routes.delete(`route ${words[3]} ${words[4]}`);
    watch(networks);
  }
  return [...[...networks].map(([p, m]) => `network ${p} route-map ${m}`), ...routes].sort();
}

const sorted = (section: string) => section.split('\n').filter(Boolean).sort();

t.test(
  'the commands lead from any state to any other, and no block is ever missing between',
  async (t) => {
    fc.assert(
      fc.property(intents, intents, (a, b) => {
        const [from, to] = [renderFrrSection(a), renderFrrSection(b)];
        const kept = a.blocks.filter(({ prefix }) => b.blocks.some((o) => o.prefix === prefix));
        let isKept = true;
        const reached = run(from, commandsFor(64512, from, to), (networks) => {
          isKept &&= kept.every(({ prefix }) => networks.has(prefix));
        });
        return isKept && reached.join('\n') === sorted(to).join('\n');
      }),
      { verbose: 1 },
    );
    t.pass('also where a block only changes its bias');
  },
);

t.test('our lines are found again in a running configuration, and only ours', async (t) => {
  const running = `frr defaults traditional
ip route 10.9.0.0/24 192.0.2.9
ip route 10.8.0.0/24 192.0.2.9 tag 5
ip route 10.101.0.0/24 192.0.2.5 tag 26727
router bgp 64512
 !
 address-family ipv4 unicast
  network 198.18.0.0/21
  network 198.18.3.0/24 route-map HEADGATE-BLOCK-64512:0:1+64512:1:2
  network 198.18.4.0/24 route-map OTHER
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:100::/40 route-map HEADGATE-BLOCK-64512:0:1
 exit-address-family
exit
`;
  t.same(parseRunningConfig(running).split('\n'), [
    'network 198.18.3.0/24 route-map HEADGATE-BLOCK-64512:0:1+64512:1:2',
    'route 10.101.0.0/24 192.0.2.5',
    'network 2001:db8:100::/40 route-map HEADGATE-BLOCK-64512:0:1',
    '',
  ]);
});
