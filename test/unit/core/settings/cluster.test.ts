import t from 'tap';
import { loadSettings, unitsOfLink } from '../../../../src/core/settings/index.ts';
import { threeUnits } from '../../../support/settings.ts';

const complaints = (text: string): string => {
  const loaded = loadSettings(text, 'test.yaml');
  return loaded.ok ? '' : loaded.error.map(({ path, message }) => `${path}: ${message}`).join('\n');
};

t.test('several units share one file', (t) => {
  const loaded = loadSettings(threeUnits, 'test.yaml');
  t.match(loaded, {
    ok: true,
    value: {
      cluster: { unit: 'west', lease: 5000, silent: 15_000, hold: 600_000, replicas: 1 },
      routers: [{ unit: ['west'] }, { unit: ['mid'] }, { unit: ['east'] }],
    },
  });
  if (!loaded.ok) return t.end();
  t.same(
    loaded.value.links.map((link) => unitsOfLink(loaded.value, link)),
    [['west'], ['west'], ['mid'], ['east']],
  );
  t.end();
});

t.test('who has what must be known', (t) => {
  const of = (from: string | RegExp, to: string) => complaints(threeUnits.replace(from, to));
  t.match(of('{ name: br1, unit: west,', '{ name: br1,'), /routers\[0\]: expected unit/);
  t.match(
    of('{ name: br1, unit: west,', '{ name: br1, unit: wst,'),
    /"wst" is none of cluster.units/,
  );
  t.match(of('unit: west, units', 'unit: north, units'), /"north" is none of cluster.units/);
  t.match(of(', { name: east }', ', { name: mid }'), /"mid" is taken/);
  t.match(complaints(threeUnits.replace(/^cluster.*$/m, '')), /units are named in cluster/);
  t.end();
});

t.test('a pair may have one wire, each with interfaces of its own', (t) => {
  const wire = '{ name: w, unit: west, place: inside, inside: eth1, outside: eth2 }';
  const twin = wire.replace('west', 'mid').replace('eth1', 'eth7');
  t.equal(complaints(threeUnits.replace(wire, `${wire}, ${twin}`)), '');
  t.match(complaints(threeUnits.replace(wire, `${wire}, ${wire}`)), /"w" is taken/);
  t.end();
});

t.test('a pair decides outbound as one, for all of its routers; a driver writes alone', (t) => {
  const shared = threeUnits.replace('{ name: br1, unit: west,', '{ name: br1, unit: [west, mid],');
  t.equal(complaints(shared), '');
  const outbound = `${shared}outbound: {}\n`;
  t.match(complaints(outbound), /west and mid share this router and not br2: with outbound/);
  t.equal(complaints(outbound.replace('br2, unit: mid', 'br2, unit: [west, mid]')), '');
  const silent = outbound.replace('address: 10.0.0.2, bgp: {}', 'address: 10.0.0.2');
  t.equal(complaints(silent), '', 'a router that is only read is its unit’s own');
  const driven = shared.replace(
    'bgp: {} }',
    'bgp: {}, driver: { kind: bird, shell: [ssh, x], file: /x } }',
  );
  t.match(complaints(driven), /two units would both write its configuration/);
  t.end();
});

t.test('what cluster.units says of a unit is what it says itself', (t) => {
  const of = (address: string) =>
    complaints(
      threeUnits
        .replace('router_id: 10.0.0.9', 'address: 10.0.0.9')
        .replace('{ name: west }', `{ name: west, address: ${address} }`),
    );
  t.equal(of('10.0.0.9'), '');
  t.match(of('10.0.0.8'), /cluster.units\[0\].address: expected 10.0.0.9, as management.address/);
  t.end();
});

t.test('nothing unauthenticated outside loopback', (t) => {
  const served = (address: string, more = '') =>
    complaints(
      threeUnits.replace('nats://127.0.0.1:4222', address).replace('units: [', `${more}units: [`),
    );
  t.equal(served('localhost'), '');
  t.match(served('10.0.0.5'), /cluster.servers: outside loopback expected tls/);
  t.match(served('tls://127.0.0.1.example:4222', 'tls: { ca: x }, '), /anybody could speak/);
  t.equal(served('tls://10.0.0.5', 'tls: { ca: x }, credentials: y, '), '');
  t.equal(served('tls://10.0.0.5', 'tls: { ca: x }, nkey: y, '), '');
  t.match(served('tls://10.0.0.5', 'tls: { ca: x }, nkey: y, credentials: z, '), /not both/);
  t.end();
});

t.test('the times fit together', (t) => {
  const timed = (more: string) => complaints(threeUnits.replace('units: [', `${more}, units: [`));
  t.match(timed('hold: 60m'), /cluster.hold: expected less/);
  t.match(timed('silent: 1s'), /cluster.silent: expected no less than lease/);
  t.match(timed('hold: 30s'), /cluster.hold: expected more/);
  t.match(timed('lease: 100ms'), /at least 500ms/);
  t.end();
});

t.test('portions lie within networks and apart', (t) => {
  const portioned = (west: string, mid: string) =>
    complaints(
      threeUnits
        .replace('{ name: west }', `{ name: west, portion: [${west}] }`)
        .replace('{ name: mid }', `{ name: mid, portion: [${mid}] }`),
    );
  t.equal(portioned('198.51.100.0/25', '198.51.100.128/25'), '');
  t.equal(portioned('198.51.100.0/24', '198.51.100.0/24'), '', 'a pair has one portion');
  t.match(portioned('198.51.100.0/24', '198.51.100.128/25'), /in the portion of west in part/);
  t.match(portioned('192.0.2.0/24', '198.51.100.0/24'), /192.0.2.0\/24 is in none of networks/);
  t.end();
});
