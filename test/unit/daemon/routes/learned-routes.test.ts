import fc from 'fast-check';
import t from 'tap';
import { createFlowCollector } from '../../../../src/collect/flow/index.ts';
import { covers, formatPrefix, makePrefix, parsePrefix } from '../../../../src/core/base/prefix.ts';
import { linkId } from '../../../../src/core/base/units.ts';
import { PrefixTable } from '../../../../src/core/bgp/rib/prefix-table.ts';
import { LearnedRoutes } from '../../../../src/daemon/routes/learned-routes.ts';
import { netflow5 } from '../../../support/flow-exports.ts';

const prefix = (text: string) => {
  const parsed = parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};

function learned(...texts: readonly string[]) {
  const tables = { 4: new PrefixTable(4), 6: new PrefixTable(6) };
  for (const { family, bytes, length } of texts.map(prefix)) {
    tables[family].setValue(tables[family].findOrAdd(bytes, 0, length), 1);
  }
  return new LearnedRoutes({
    longestLength: (family, bytes, at) => tables[family].longestLength(bytes, at),
  });
}

t.test('an address is known by its longest route, and no default route counts', (t) => {
  const routes = learned('0.0.0.0/0', '::/0', '203.0.0.0/12', '203.0.113.0/25', '2001:db8::/32');
  // Not at the beginning, as in a datagram.
  const routeOf = (address: string) => {
    const { family, bytes } = prefix(address);
    const number = routes.match(family, Uint8Array.of(9, 9, 9, ...bytes), 3);
    return number < 0 ? undefined : routes.prefix(number);
  };
  t.equal(routeOf('203.0.113.9'), '203.0.113.0/25');
  t.equal(routeOf('203.0.113.200'), '203.0.0.0/12');
  t.equal(routeOf('203.0.1.1'), '203.0.0.0/12');
  t.equal(routeOf('192.0.2.1'), undefined);
  t.equal(routeOf('2001:db8:9::1'), '2001:db8::/32');
  t.equal(routeOf('2001:db9::1'), undefined);
  t.equal(
    routes.match(4, prefix('203.0.113.9').bytes, 0),
    routes.match(4, prefix('203.0.113.8').bytes, 0),
    'one route, one number',
  );
  t.end();
});

t.test('more addresses than are remembered, asked twice', (t) => {
  const routes = learned('10.0.0.0/9', '10.128.0.0/10');
  let wrong = 0;
  for (let i = 0; i < 300_000; i++) {
    // Each address comes again after many others have taken its place.
    const n = (i % 150_000) * 97;
    const bytes = Uint8Array.of(10, n >>> 16, n >>> 8, n);
    const [second = 0] = bytes.subarray(1);
    const expected = second < 128 ? '10.0.0.0/9' : second < 192 ? '10.128.0.0/10' : undefined;
    const number = routes.match(4, bytes, 0);
    if ((number < 0 ? undefined : routes.prefix(number)) !== expected) wrong++;
  }
  t.equal(wrong, 0);
  t.end();
});

t.test('the longest route is that of a linear scan', (t) => {
  const octets = fc.array(fc.constantFrom(0, 1, 128, 255), { minLength: 4, maxLength: 4 });
  const route = fc.tuple(octets, fc.integer({ min: 1, max: 32 }));
  fc.assert(
    fc.property(fc.array(route, { maxLength: 30 }), octets, (made, wanted) => {
      const all = made.map(([bytes, length]) => makePrefix(4, Uint8Array.from(bytes), length));
      const address = makePrefix(4, Uint8Array.from(wanted), 32);
      const routes = learned(...all.map(formatPrefix));
      const number = routes.match(4, address.bytes, 0);
      const longest = all.filter((p) => covers(p, address)).sort((a, b) => b.length - a.length)[0];
      return (
        (number < 0 ? undefined : routes.prefix(number)) === (longest && formatPrefix(longest))
      );
    }),
  );
  t.end();
});

t.test('exported flows are added up by the routes that were learned', async (t) => {
  const north = linkId('north');
  const collector = createFlowCollector({
    listen: [],
    exporters: [
      {
        address: '192.0.2.1',
        links: [{ link: north, ifIndex: 2 }],
        metering: 'any',
        layer2Overhead: 0,
        octets: 'ip',
      },
    ],
    account: {
      links: [north],
      blocks: [prefix('198.51.100.0/24')],
      networks: [prefix('198.51.100.0/24')],
      destinationLength: { ipv4: 24, ipv6: 48 },
      destinationsMax: 100,
      recordAgeMsMax: Number.POSITIVE_INFINITY,
    },
  });
  collector.setRoutes(learned('203.0.0.0/12'));
  const record = (destination: string) => ({
    source: '198.51.100.9',
    destination,
    ipBytes: 1000,
    packets: 1,
  });
  collector.receive(
    netflow5(0, [record('203.0.113.9'), record('203.1.2.3'), record('192.0.2.77')]),
    '192.0.2.1',
  );
  const { foreign } = await collector.samples();
  t.same(
    foreign.map((entry) => [entry.prefix, entry.ipBytes]),
    [
      ['203.0.0.0/12', 2000],
      ['192.0.2.0/24', 1000],
    ],
  );
});
