import t from 'tap';
import { policyFor } from '../../../src/cli/router-config.ts';
import { renderPolicy } from '../../../src/router/templates/index.ts';
import { settingsOf, twoLinks } from '../../support/settings.ts';

const withRouter = twoLinks.replace('router_id: 10.0.0.9', 'address: 10.0.0.9');
const kinds = ['frr', 'bird', 'junos', 'iosxr', 'ios'] as const;

t.test('each kind is told of our BMP station where there is one', async (t) => {
  const plain = policyFor(settingsOf(withRouter), 'br1');
  const told = policyFor(settingsOf(`${withRouter}bmp: { listen: "0.0.0.0:11019" }\n`), 'br1');
  t.same(told.bmp, { address: '10.0.0.9', port: 11_019 }, 'at an address that routers can reach');
  for (const kind of kinds) {
    t.notMatch(renderPolicy(kind, plain), /bmp/i, `${kind} without`);
    t.match(renderPolicy(kind, told), /10\.0\.0\.9[\s\S]*11019/, kind);
  }
});

t.test(
  'the router’s limit is ours: three prefixes for each block, or what settings say',
  async (t) => {
    const { blocks } = settingsOf(withRouter);
    const limit = (more: string) => policyFor(settingsOf(withRouter + more), 'br1').maxPrefixes;
    t.equal(limit(''), blocks.length * 3 + 16);
    t.equal(limit('steering: { max_announced: 7 }\n'), 7);
  },
);
