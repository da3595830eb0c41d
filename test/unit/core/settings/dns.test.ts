import t from 'tap';
import { loadSettings } from '../../../../src/core/settings/index.ts';
import { settingsOf, twoLinks } from '../../../support/settings.ts';

const text = (changes: Readonly<Record<string, string>> = {}) =>
  Object.entries(changes).reduce(
    (whole, [from, to]) => whole.replace(from, to),
    `${twoLinks}dns:
  listen: [198.51.100.53]
  zones:
    - name: svc.example.net
      nameservers: [{ name: ns.svc.example.net, addresses: [198.51.100.53] }]
  names:
    - name: WWW.svc.example.net
      addresses: [{ link: north, address: 198.51.100.10 }, { link: south, address: '2001:db8::1' }]
      check: { kind: http, port: 80 }
`,
  );

t.test('what is left away has the defaults of the README', async (t) => {
  t.match(settingsOf(text()).dns, {
    port: 53,
    clientSubnet: true,
    granularity: { ipv4: 24, ipv6: 56 },
    rateLimit: { responsesPerSecond: 200, slip: 2 },
    zones: [{ ttl: 3_600_000, negativeTtl: 60_000 }],
    names: [
      {
        name: 'www.svc.example.net.',
        ttl: 30_000,
        check: { path: '/', interval: 5000, timeout: 2000, fall: 2, rise: 2 },
      },
    ],
  });
});

t.test('a mistake is named where it stands', async (t) => {
  for (const [from, to, message] of [
    ['listen: [198.51.100.53]', 'listen: [0.0.0.0]', /answers leave from the one that was asked/],
    ['link: north', 'link: nort', /there is no link "nort"; did you mean "north"/],
    ['WWW.svc.example.net', 'www.example.net', /www.example.net. lies in none of dns.zones/],
    ['kind: http', 'kind: icmp', /expected tcp or http/],
    ['name: svc.example.net', 'name: svc', /expected a domain name/],
    ['address: 198.51.100.10', 'adress: 198.51.100.10', /did you mean "address"/],
  ] as const) {
    const loaded = loadSettings(text({ [from]: to }), 'test.yaml');
    t.match(
      JSON.stringify(loaded.ok ? undefined : loaded.error).replaceAll('\\"', '"'),
      message,
      to,
    );
  }
});

t.test('names alone are enough to be in control of', async (t) => {
  t.equal(settingsOf(text({ ', bgp: {}': '' })).mode, 'control');
});
