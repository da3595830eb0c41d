import t from 'tap';
import { parseAddress, prefixOf } from '../../../../src/core/base/prefix.ts';
import { bitps, linkId, ms, prefixText } from '../../../../src/core/base/units.ts';
import { AdjRibIn } from '../../../../src/core/bgp/rib/adj-rib-in.ts';
import { isReturning, lostMax, ProviderWatch } from '../../../../src/daemon/measure/providers.ts';
import type { DestinationProbe } from '../../../../src/probe/index.ts';
import { summarise } from '../../../../src/probe/index.ts';

const [north, south] = [linkId('north'), linkId('south')];
const address = (text: string) => {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const providers = [
  { link: north, addresses: [address('203.0.113.10')] },
  { link: south, addresses: [address('198.51.100.10')] },
];
const up = (link: typeof north, isUp = true) => ({ link, isUp, capacity: bitps(1e9) });
const links = [up(north), up(south)];
const probe = (link: typeof north, lostInARow: number | undefined): DestinationProbe => ({
  prefix: prefixText('192.0.2.0/24'),
  target: '192.0.2.1',
  link,
  ageMs: ms(0),
  summary: summarise([]),
  latest: summarise([]),
  lostInARow,
});

t.test(
  'a provider is out when its link is down or no probe with its address returns',
  async (t) => {
    const watch = new ProviderWatch(providers, undefined);
    const outs = (...probes: readonly DestinationProbe[]) => [...watch.outs(links, probes)];
    t.same(outs(), [], 'nobody was asked yet: believed');
    t.same(outs(probe(north, lostMax - 1), probe(south, 0)), [], 'a bad moment');
    t.match(outs(probe(north, lostMax), probe(south, 0)), [['north', /no probe/]]);
    t.match(outs(probe(north, undefined), probe(south, 0)), [['north', /no probe/]]);
    t.same(outs(probe(north, lostMax), probe(south, lostMax)), [], 'it is we who are cut off');
    t.same(outs(probe(north, lostMax), probe(north, 0), probe(south, 0)), [], 'one network of two');
    t.match([...watch.outs([up(north, false), up(south)], [])], [['north', 'its link is down']]);
    t.notOk(isReturning(probe(north, undefined)));
  },
);

t.test('a provider is out while its prefix is not announced, once it was', async (t) => {
  const table = new AdjRibIn();
  const peer = table.addPeer();
  const { bytes } = prefixOf(prefixText('203.0.113.0/24'));
  const announce = () =>
    table.announce(4, bytes, 0, 24, peer, 0, table.attributes.intern(Uint8Array.of(1), 0, 1, 0));
  let isComplete = true;
  const watch = new ProviderWatch(providers, { table, isComplete: () => isComplete });
  const outs = () => Object.fromEntries(watch.outs(links, []));
  t.same(outs(), {}, 'the routers tell of no such prefixes: nothing to go by');
  announce();
  t.same(outs(), {});
  table.withdraw(4, bytes, 0, 24, peer, 0);
  t.match(outs(), { north: /203\.0\.113\.10 is no longer seen announced/ });
  isComplete = false;
  t.same(outs(), {}, 'a session that is down says nothing');
  isComplete = true;
  announce();
  t.same(outs(), {});
});
