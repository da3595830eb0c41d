/**
 * The name server before real clients: dig, kdig and unbound, in namespaces.
 *
 *   hgdcc (clients) 203.0.113.1, 198.51.100.1, 2001:db8::1 ──veth── .53, .53, ::53 hgdcs (server)
 */
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import t from 'tap';
import {
  inside,
  ipBatch,
  removeNamespaces,
  run,
  spawnInside,
} from '../../../src/lab/namespaces.ts';
import { type DnsProgram, startDnsProgram } from '../../support/dns-program.ts';
import { labTestSkip, waitFor } from '../../support/lab.ts';

const server = 'hgdcs';
const clients = 'hgdcc';
const skip = labTestSkip(['/usr/bin/dig', '/usr/sbin/unbound']);
const kdigSkip = labTestSkip(['/usr/bin/kdig']);

const weights = {
  default: { north: 10_000 },
  networks: [{ prefix: '198.18.0.0/16', weights: { south: 10_000 } }],
};
const northAddress = '203.0.113.10';
const southAddress = '198.51.100.10';

async function openWorld(): Promise<void> {
  await removeNamespaces([server, clients]);
  await run(['ip', 'netns', 'add', server]);
  await run(['ip', 'netns', 'add', clients]);
  await run(`ip -n ${server} link add s0 type veth peer name c0 netns ${clients}`.split(' '));
  for (const [namespace, device, host] of [
    [server, 's0', '53'],
    [clients, 'c0', '1'],
  ] as const) {
    await ipBatch(namespace, [
      'link set lo up',
      `link set ${device} up`,
      `addr add 203.0.113.${host}/24 dev ${device}`,
      `addr add 198.51.100.${host}/24 dev ${device}`,
      `addr add 2001:db8::${host}/64 dev ${device} nodad`,
    ]);
  }
}

function settingsOf(zoneFile: string) {
  return {
    listen: ['203.0.113.53', '198.51.100.53', '2001:db8::53'],
    zones: [
      {
        name: 'svc.example.net',
        nameservers: [
          { name: 'ns1.svc.example.net', addresses: ['203.0.113.53', '2001:db8::53'] },
          { name: 'ns2.svc.example.net', addresses: ['198.51.100.53'] },
        ],
        file: zoneFile,
      },
    ],
    names: [
      {
        name: 'www.svc.example.net',
        addresses: [
          { link: 'north', address: northAddress },
          { link: 'south', address: southAddress },
          { link: 'north', address: '2001:db8:1::10' },
        ],
      },
    ],
    rate_limit: { responses_per_second: 0 },
  };
}

const zoneText = `$TTL 300
big TXT ${Array.from({ length: 10 }, (_, i) => `"${String(i).repeat(150)}"`).join(' ')}
mail MX 10 mx.svc.example.net.
mx A 192.0.2.25
alias CNAME www
`;

const at = (argv: string) => run(inside(clients, argv.split(' ')));
const dig = (argv: string) => at(`dig +tries=1 +time=5 ${argv}`);

/** Settings that each make unbound another kind of resolver. */
const resolvers = {
  plain: { port: 5301, lines: ['module-config: "iterator"'] },
  ecs: {
    port: 5302,
    lines: [
      'module-config: "subnetcache iterator"',
      'send-client-subnet: 203.0.113.0/24',
      'send-client-subnet: 198.51.100.0/24',
      'send-client-subnet: 2001:db8::/32',
      'client-subnet-always-forward: yes',
    ],
  },
  'TCP only': { port: 5303, lines: ['module-config: "iterator"', 'tcp-upstream: yes'] },
  '0x20': { port: 5304, lines: ['module-config: "iterator"', 'use-caps-for-id: yes'] },
} as const;

function startUnbound(folder: string, name: keyof typeof resolvers): ChildProcess {
  const { port, lines } = resolvers[name];
  const file = `${folder}/unbound-${port}.conf`;
  const common = [
    ...['do-daemonize: no', 'use-syslog: no', 'username: ""', 'chroot: ""', 'pidfile: ""'],
    ...[`directory: "${folder}"`, 'interface: 127.0.0.1', `port: ${port}`, 'num-threads: 1'],
    ...['access-control: 127.0.0.0/8 allow', 'target-fetch-policy: "0 0 0 0 0"', 'verbosity: 0'],
  ];
  const stub = [
    'stub-zone:',
    '  name: "svc.example.net"',
    ...['203.0.113.53', '198.51.100.53', '2001:db8::53'].map((text) => `  stub-addr: ${text}`),
    'remote-control:',
    '  control-enable: no',
  ];
  writeFileSync(
    file,
    `server:\n${[...common, ...lines].map((line) => `  ${line}`).join('\n')}\n${stub.join('\n')}\n`,
  );
  return spawnInside(clients, ['unbound', '-d', '-c', file], { stdio: 'ignore' });
}

for (const mode of ['native', 'javascript'] as const) {
  t.test(`${mode}`, { skip }, async (t) => {
    const folder = t.testdir({ zone: zoneText });
    t.teardown(() => removeNamespaces([server, clients]));
    await openWorld();
    const program: DnsProgram = await startDnsProgram(server, mode, settingsOf(`${folder}/zone`));
    t.teardown(() => program.stop());
    await program.publish(weights);

    await t.test('dig: every address, both families, UDP and TCP, EDNS or none', async (t) => {
      for (const address of ['203.0.113.53', '198.51.100.53', '2001:db8::53']) {
        for (const how of ['+notcp', '+tcp', '+noedns', '+nocookie', '+dnssec']) {
          // dig accepts an answer only from the address that it asked.
          const short = await dig(`@${address} www.svc.example.net A +short ${how}`);
          t.equal(short.trim(), northAddress, `${address} ${how}`);
        }
      }
      const full = await dig('@203.0.113.53 www.svc.example.net A +norecurse');
      t.match(full, /flags: qr aa;/);
      t.match(full, /www\.svc\.example\.net\.\s+30\s+IN\s+A/);
      t.match(full, /COOKIE: [0-9a-f]{48} \(good\)/);
    });

    await t.test('dig: client subnet and its scope', async (t) => {
      const near = await dig('@203.0.113.53 www.svc.example.net A +subnet=198.18.7.0/24');
      t.match(near, /CLIENT-SUBNET: 198\.18\.7\.0\/24\/24/);
      t.match(near, southAddress);
      const coarse = await dig('@203.0.113.53 www.svc.example.net A +subnet=198.18.0.0/17');
      t.match(coarse, /CLIENT-SUBNET: 198\.18\.0\.0\/17\/17/);
      t.match(coarse, southAddress);
      const far = await dig('@203.0.113.53 www.svc.example.net A +subnet=192.0.2.0/24');
      t.match(far, northAddress);
    });

    await t.test('dig: negative, ANY, HTTPS, refused, truncated then TCP, BADVERS', async (t) => {
      t.match(await dig('@203.0.113.53 no.svc.example.net'), /NXDOMAIN[\s\S]*SOA\s+ns1/);
      const https = await dig('@203.0.113.53 www.svc.example.net HTTPS');
      t.match(https, /NOERROR[\s\S]*ANSWER: 0, AUTHORITY: 1/);
      t.match(await dig('@203.0.113.53 www.svc.example.net ANY +notcp'), /HINFO\s+"RFC8482"/);
      t.match(await dig('@203.0.113.53 example.org'), /REFUSED/);
      t.match(await dig('@203.0.113.53 svc.example.net AXFR'), /Transfer failed/);
      const big = await dig('@203.0.113.53 big.svc.example.net TXT +noedns');
      t.match(big, /Truncated, retrying in TCP mode/);
      t.match(big, /"9{150}"/);
      const badVersion = await dig('@203.0.113.53 www.svc.example.net +edns=1 +noednsneg');
      t.match(badVersion, /BADVERS/);
      const unknown = await dig('@203.0.113.53 www.svc.example.net +ednsopt=65001:abcd +short');
      t.equal(unknown.trim(), northAddress);
      t.match(await dig('@203.0.113.53 www.svc.example.net +opcode=notify'), /NOTIMP/);
    });

    await t.test(
      'kdig: UDP, TCP, many questions on one connection',
      { skip: kdigSkip },
      async (t) => {
        t.match(await at('kdig @2001:db8::53 www.svc.example.net A'), northAddress);
        const kept = await at(
          'kdig @198.51.100.53 +tcp +keepopen www.svc.example.net A www.svc.example.net AAAA mail.svc.example.net MX',
        );
        t.match(kept, northAddress);
        t.match(kept, '2001:db8:1::10');
        t.match(kept, 'mx.svc.example.net');
      },
    );

    for (const name of ['plain', 'ecs', 'TCP only', '0x20'] as const) {
      await t.test(`unbound: ${name}`, async (t) => {
        const unbound = startUnbound(folder, name);
        t.teardown(() => unbound.kill('SIGKILL'));
        const { port } = resolvers[name];
        const ask = (argv: string) => dig(`@127.0.0.1 -p ${port} ${argv}`).catch(() => '');
        await waitFor('unbound answers', 20_000, async () =>
          (await ask('www.svc.example.net +short')).includes(northAddress),
        );
        t.match(await ask('www.svc.example.net AAAA'), '2001:db8:1::10');
        t.match(await ask('alias.svc.example.net'), northAddress);
        t.match(await ask('big.svc.example.net TXT'), /"9{150}"/, 'larger than a UDP answer');
        t.match(await ask('no.svc.example.net'), /NXDOMAIN/);
        t.match(await ask('www.svc.example.net HTTPS'), /NOERROR/);
        if (name === 'ecs') {
          t.match(await ask('www.svc.example.net +subnet=198.18.9.0/24'), southAddress);
          t.match(await ask('www.svc.example.net +subnet=192.0.2.0/24'), northAddress);
          // From the cache, by subnet.
          t.match(await ask('www.svc.example.net +subnet=198.18.9.0/24'), southAddress);
        }
      });
    }

    await t.test('who asked, and nothing was lost', async (t) => {
      const { resolvers: seen, counts } = await program.snapshot();
      const addresses = seen.map(({ address }) => address);
      for (const address of ['203.0.113.1', '198.51.100.1', '2001:db8::1'])
        t.ok(addresses.includes(address), address);
      t.equal(counts.queue_full ?? 0, 0);
      t.equal(counts.send_failed, 0);
      if (mode === 'native') t.ok((counts.native_queries ?? 0) > (counts.handed_on ?? 0) * 2);
    });
  });
}
