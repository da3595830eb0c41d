import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { prefixOf } from '../../../../src/core/base/prefix.ts';
import { linkId, prefixText } from '../../../../src/core/base/units.ts';
import { AdjRibIn } from '../../../../src/core/bgp/rib/adj-rib-in.ts';
import { encodeAttributes } from '../../../../src/core/wire/bgp/attribute-encode.ts';
import { PathDump } from '../../../../src/daemon/measure/path-dump.ts';
import { AsProximity, meanHops } from '../../../../src/daemon/measure/proximity.ts';
import { capturesFolder, skipWithoutCaptures } from '../../../support/captures.ts';
import { settingsOf, twoLinks } from '../../../support/settings.ts';

const { links } = settingsOf(twoLinks);
const silent = () => undefined;

/** A table with these paths, the first AS of each being the provider's. */
function tableOf(routes: ReadonlyArray<readonly [prefix: string, asns: readonly number[]]>) {
  const table = new AdjRibIn();
  const peer = table.addPeer();
  for (const [i, [text, asns]] of routes.entries()) {
    const block = encodeAttributes(
      { origin: 'igp', asPath: [{ kind: 'sequence', asns }], nextHop: '10.0.0.1' },
      { as4: true, addPath: { 4: false, 6: false } },
    );
    const { bytes, length } = prefixOf(prefixText(text));
    const number = table.attributes.intern(block, 0, block.length, 0);
    table.announce(4, bytes, 0, length, peer, i, number);
  }
  return table;
}

const hopsOf = (proximity: AsProximity, network: string) =>
  Object.fromEntries(proximity.hops(prefixText(network)));

t.test('a path that a router has speaks first, relationships where there is none', async (t) => {
  // 65001 is north's provider, 65002 south's.
  const proximity = new AsProximity(
    links,
    tableOf([
      ['203.0.113.0/24', [65001, 65001, 3356, 64500]],
      ['192.0.2.0/24', [65001, 64501]],
      ['192.0.2.0/24', [65002, 1299, 3356, 64501]],
      ['0.0.0.0/0', [65001]],
    ]),
  );
  t.same(hopsOf(proximity, '203.0.113.0/24'), { north: 2 });
  t.same(hopsOf(proximity, '203.0.113.128/25'), { north: 2 }, 'by the longest that covers it');
  t.same(hopsOf(proximity, '192.0.2.0/24'), { north: 1, south: 3 });
  t.same(hopsOf(proximity, '198.18.0.0/24'), {}, 'a default route says nothing');

  const folder = t.testdir();
  const warned: string[] = [];
  const log = {
    debug: silent,
    info: silent,
    warn: (_: object, text: string) => warned.push(text),
    error: silent,
  };
  writeFileSync(`${folder}/rel.txt.gz`, gzipSync('65002|3356|-1\n3356|64500|-1\n'));
  await proximity.load({ routes: [], relationships: `${folder}/rel.txt.gz` }, log);
  t.same(hopsOf(proximity, '203.0.113.0/24'), { north: 2, south: 2 });
  t.same(warned, []);
  await proximity.load({ routes: [`${folder}/absent.mrt`] }, log);
  t.match(warned, [/absent\.mrt/], 'a file that is not there is said, and all else goes on');
});

t.test('the mean is weighed by traffic, and says of how much of it', async (t) => {
  const proximity = {
    hops: (network: string) =>
      new Map(
        network === '203.0.113.0/24'
          ? [[linkId('north'), 4]]
          : network === '192.0.2.0/24'
            ? [
                [linkId('north'), 1],
                [linkId('south'), 3],
              ]
            : [],
      ),
  };
  const weighed = (prefix: string, weight: number) => ({ prefix: prefixText(prefix), weight });
  const means = meanHops(proximity, [
    weighed('203.0.113.0/24', 25),
    weighed('192.0.2.0/24', 50),
    weighed('198.18.0.0/24', 25),
  ]);
  t.same(Object.fromEntries(means), {
    north: { hops: 2, coverage: 0.75 },
    south: { hops: 3, coverage: 0.5 },
  });
});

t.test('a dump of real routes', { skip: skipWithoutCaptures }, async (t) => {
  // Level 3 and Telia, as providers would be.
  const dump = new PathDump([3356, 1299, 4294967295]);
  await dump.load(`${capturesFolder}/data/mrtparse-bird_bgp`).catch(() => undefined);
  await dump.load(`${capturesFolder}/data/bgpdump-bview.ipv4_unicast_add_path.gz`);
  t.ok(dump.prefixes > 0, `${dump.prefixes} prefixes`);
  t.equal(dump.damaged, 0);
});
