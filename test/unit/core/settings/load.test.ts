import fc from 'fast-check';
import t from 'tap';
import { formatSettingsError, loadSettings } from '../../../../src/core/settings/index.ts';
import { settingsOf, twoLinks } from '../../../support/settings.ts';

/** The example of the design, word for word but for the parts that it leaves open. */
const example = `
asn: 64512
mode: observe                  # observe | advise | control
networks: [198.51.100.0/22, 2001:db8::/32]
blocks: { ipv4: 24, ipv6: 40 }
management: { interface: eth0 }
wires:
  - { name: core, place: inside, inside: eth1, outside: eth2, driver: auto }
links:
  - name: north
    asn: 65001
    capacity: 10G
    price: { model: percentile, percentile: 95, commit: 2G, per_mbps: 0.45, currency: EUR }
    attribute: { wire: core, mac: 02:00:00:00:00:01 }
    mark: { dscp: 10 }
    router: br1
    port: ix1
    source: 203.0.113.1
routers:
  - { name: br1, address: 10.0.0.1, asn: 64512, bgp: { md5: secret, add_path: true }, snmp: { version: 3, user: headgate } }
objective: { balance: 1, congestion: 4, response: 2, price: 1 }
rails: { dwell: 30m, moves_per_hour: 12, share_per_round: 10% }
`;

const errorsOf = (text: string): readonly string[] => {
  const loaded = loadSettings(text, 'h.yaml');
  return loaded.ok ? [] : loaded.error.map(formatSettingsError);
};
/** The example with one piece of text replaced; fails when the piece is not there. */
const changed = (from: string, to: string): string => {
  if (!example.includes(from)) throw new Error(`the example has no ${from}`);
  return example.replace(from, to);
};

t.test('the example of the design is read with its units', (t) => {
  const settings = settingsOf(example);
  t.equal(settings.links[0]?.capacity, 10e9);
  t.match(settings.links[0]?.price, { model: 'percentile', commit: 2e9, perMbps: 450_000 });
  t.same(settings.links[0]?.source, ['203.0.113.1']);
  t.match(settings.rails, { dwell: 1_800_000, movesPerHour: 12, sharePerRound: 0.1 });
  t.equal(settings.blocks.length, 4 + 256);
  t.equal(settings.blocks[0]?.prefix, '198.51.100.0/24');
  t.equal(settings.blocks.at(-1)?.prefix, '2001:db8:ff00::/40');
  t.end();
});

t.test('every mistake is told with its line, column, key and what was expected', (t) => {
  const cases: ReadonlyArray<readonly [string, string, string]> = [
    [
      '10G',
      '10X',
      'h.yaml:12:15: links[0].capacity: expected a rate in bit/s such as 500M or 10G, found "10X"',
    ],
    ['observe  ', 'obsrve  ', 'h.yaml:3:7: mode: expected observe, advise or control'],
    ['dwell:', 'dwel:', 'h.yaml:22:10: rails: unknown key "dwel"; did you mean "dwell"?'],
    [
      '30m',
      '30',
      'h.yaml:22:17: rails.dwell: expected a time with its unit such as 500ms, 30s, 30m, 12h or 90d, found "30"',
    ],
    [
      '10%',
      '110%',
      'h.yaml:22:59: rails.share_per_round: expected a share such as 10%, found "110%"',
    ],
    [
      'dscp: 10',
      'dscp: 64',
      'h.yaml:15:19: links[0].mark.dscp: expected a whole number from 0 to 63',
    ],
    [
      '198.51.100.0/22',
      '198.51.100.1/22',
      'h.yaml:4:12: networks[0]: expected a prefix without host bits such as 198.51.100.0/24 or 2001:db8::/32, found "198.51.100.1/22"',
    ],
    [
      'percentile, p',
      'percent, p',
      'h.yaml:13:21: links[0].price.model: expected model: percentile, tiered, volume or flat',
    ],
    [
      'router: br1',
      'router: br2',
      'h.yaml:16:13: links[0].router: there is no router "br2"; did you mean "br1"?',
    ],
    [
      'wire: core',
      'wire: edge',
      'h.yaml:14:24: links[0].attribute.wire: there is no wire "edge"; there is core',
    ],
    [
      ', mac: 02:00:00:00:00:01',
      '',
      'h.yaml:14:16: links[0].attribute: expected one of mac, vlan, dscp: how packets of this link are known on wire core',
    ],
    [
      'outside: eth2',
      'outside: eth1',
      'h.yaml:8:57: wires[0].outside: eth1 is already a port of wire core',
    ],
    [
      'driver: auto',
      'driver: tc, workers: 2',
      'h.yaml:8:84: wires[0].workers: several workers need driver: af_packet; with the others every processor works that the card spreads to',
    ],
    [
      '{ ipv4: 24, ipv6: 40 }',
      '[203.0.113.0/24]',
      'h.yaml:5:10: blocks[0]: 203.0.113.0/24 is in none of networks; only own space is counted and announced',
    ],
    [
      'ipv4: 24',
      'ipv4: 25',
      'h.yaml:5:9: blocks: 198.51.100.0/25 is longer than /24, the longest that may be announced (steering.floor)',
    ],
    [
      'asn: 64512\nmode',
      'asn: 0\nmode',
      'h.yaml:2:6: asn: expected an AS number from 1 to 4294967295',
    ],
  ];
  for (const [from, to, expected] of cases)
    t.same(errorsOf(changed(from, to)), [expected], `${from} → ${to}`);
  t.end();
});

t.test('all mistakes of a file are told at once, in its order', (t) => {
  const text = changed('10G', '10X').replace('dwell:', 'dwel:').replace('observe  ', 'watch  ');
  t.same(
    errorsOf(text).map((line) => line.split(':')[1]),
    ['3', '12', '22'],
  );
  t.end();
});

t.test('marks and attributes follow the place of the wire', (t) => {
  // Without a source: probes bear a mark by themselves.
  const link = changed('place: inside', 'place: link').replace(/^ *source: .*\n/m, '');
  t.match(errorsOf(link), [/leave mac away/, /marks work only on a wire of place inside/]);
  const twice = twoLinks.replace('wire: s', 'wire: n');
  t.match(errorsOf(twice), [
    /wires\[0\]: a wire of place link carries one link, but 2/,
    /wires\[1\].*but 0/,
  ]);
  t.end();
});

t.test('control without a router to speak to is refused', (t) => {
  t.match(errorsOf(twoLinks.replace(', bgp: {}', '')), [/mode: control needs a router with bgp/]);
  t.end();
});

t.test('pins, groups and maintenance name what exists', (t) => {
  const text = `${twoLinks}
pins: [{ block: 198.51.100.0/24, link: nort }, { block: 198.51.102.0/24, link: north }]
groups: [{ name: g, blocks: [198.51.101.0/24], links: [east] }]
maintenance: [{ link: south, from: 2026-03-02T00:00:00Z, to: 2026-03-01T00:00:00Z }]
`;
  t.match(errorsOf(text), [
    /pins\[0\]\.link: there is no link "nort"; did you mean "north"/,
    /pins\[1\]\.block: 198\.51\.102\.0\/24 is none of the blocks/,
    /groups\[0\]\.links\[0\]: there is no link "east"; there are north, south/,
    /maintenance\[0\]\.to: expected a time after from/,
  ]);
  t.end();
});

t.test('blocks of a list carry their groups, and may not overlap', (t) => {
  const listed = twoLinks.replace(
    '{ ipv4: 24 }',
    '[198.51.101.0/24, { prefix: 198.51.100.0/24, group: web }]',
  );
  t.same(settingsOf(listed).blocks, [
    { prefix: '198.51.100.0/24', group: 'web' },
    { prefix: '198.51.101.0/24' },
  ]);
  const overlap = twoLinks.replace('{ ipv4: 24 }', '[198.51.100.0/23, 198.51.101.0/24]');
  t.match(errorsOf(overlap), [/198\.51\.101\.0\/24 lies in 198\.51\.100\.0\/23/]);
  t.end();
});

t.test('whatever the text, an answer and never a throw', (t) => {
  const mutilated = fc
    .tuple(fc.nat(example.length), fc.nat(40), fc.string({ maxLength: 12 }))
    .map(([at, cut, put]) => example.slice(0, at) + put + example.slice(at + cut));
  fc.assert(
    fc.property(fc.oneof(fc.string(), mutilated), (text) => {
      const loaded = loadSettings(text, 'f');
      if (loaded.ok) return;
      const lines = text.split('\n').length;
      for (const error of loaded.error) {
        if (error.line < 1 || error.line > lines || error.column < 1 || error.message === '') {
          throw new Error(JSON.stringify(error));
        }
      }
    }),
    { numRuns: process.env.HEADGATE_LONG === '1' ? 5000 : 300 },
  );
  t.end();
});
