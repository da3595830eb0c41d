/** The ladder, providers' communities and the sources of VRPs: what is taken, and what is refused with a sentence. */
import t from 'tap';
import { loadSettings } from '../../../../src/core/settings/index.ts';
import { ladderOf, policyOf } from '../../../../src/daemon/configure.ts';
import { settingsOf, twoLinks } from '../../../support/settings.ts';

const mistakes = (extra: string): readonly string[] => {
  const loaded = loadSettings(`${twoLinks}${extra}`, 'x.yaml');
  return loaded.ok ? [] : loaded.error.map((error) => `${error.path}: ${error.message}`);
};
const table =
  'provider_communities: [{ asn: 65001, actions: { low: ["65001:80", "65001:1:80"] } }]\n';

t.test('rungs in their order, with what each provider offers', async (t) => {
  const settings = settingsOf(
    `${twoLinks}${table}steering: { ladder: [{ prepend: 2 }, { provider: low }, more_specifics] }\n`,
  );
  t.match(ladderOf(settings), [
    { kind: 'unbiased' },
    { kind: 'prepend', times: 2 },
    {
      kind: 'provider_communities',
      name: 'low',
      byLink: new Map([[1, { communities: [[65001, 80]], largeCommunities: [[65001, 1, 80]] }]]),
    },
    { kind: 'more_specifics' },
  ]);
  const { rungs, rungNames } = policyOf(settings);
  t.equal(rungs, 3);
  t.same(rungNames, ['no bias', '2 prepends', "the providers' low", 'no more-specific']);
  t.equal(policyOf(settingsOf(twoLinks)).rungs, 3, 'prepends unless it is set');
});

t.test('rungs that no link could carry out, and words that are not the provider’s', async (t) => {
  const ladder = (rung: string) => mistakes(`steering: { ladder: [${rung}] }\n`);
  t.match(ladder('{ provider: low }'), [/no provider_communities name an action "low"/]);
  t.match(ladder('med'), [/two links to the same neighbouring AS/]);
  t.match(ladder('{ prepend: 6 }'), [/steering\.ladder\[0\]/]);
  t.match(mistakes(table.replace('asn: 65001', 'asn: 65009')), [/no link leads to AS 65009/]);
  t.match(mistakes(table.replace('65001:1:80', '64512:2:99')), [
    /word between headgate and our own/,
  ]);
  t.match(mistakes(table.replace('65001:80', '65001:70000')), [/expected a community such as/]);
});

t.test('one source of VRPs', async (t) => {
  t.same(mistakes('rpki: { caches: ["127.0.0.1:8282"] }\n'), []);
  t.match(mistakes('rpki: { require_roa: true }\n'), [/rpki: expected caches.* or vrps/]);
  t.match(mistakes('rpki: { caches: ["127.0.0.1:8282"], vrps: /x }\n'), [/one of them/]);
});

t.test(
  'prepends in the path are for a router with one link, by iBGP, that tells by BMP',
  async (t) => {
    const inPath = (text: string) => text.replace('bgp: {} }]', 'bgp: { prepend: path } }]');
    const oneLink = (text: string) => text.replace(/^ {2}- \{ name: (s|south),.*\n/gm, '');
    const bmp = 'bmp: { listen: "10.0.0.9:11019" }\n';
    const wrong = (text: string) => {
      const loaded = loadSettings(text, 'x.yaml');
      return loaded.ok ? '' : loaded.error.map((error) => `${error.path}: ${error.message}`).join();
    };
    t.match(wrong(inPath(twoLinks) + bmp), /bgp\.prepend: br1 has 2 links/);
    t.match(wrong(oneLink(inPath(twoLinks))), /without bmp nobody says/);
    const other = oneLink(inPath(twoLinks)).replace(
      'address: 10.0.0.1,',
      'address: 10.0.0.1, asn: 64999,',
    );
    t.match(wrong(other + bmp), /is of another AS/);
    t.equal(wrong(oneLink(inPath(twoLinks)) + bmp), '');
  },
);
