import dnsPacket, { type DecodedPacket, type Packet } from 'dns-packet';
import { type Address, parseAddress } from '../../src/core/base/prefix.ts';
import { Answerer, type AnswerPolicy, type AnswerTable } from '../../src/core/wire/dns/answer.ts';
import { parseName, type WireName } from '../../src/core/wire/dns/name.ts';
import type { ResolverWeights, SteeredName } from '../../src/core/wire/dns/steering.ts';
import { makeTable, makeZones } from '../../src/core/wire/dns/table.ts';
import { parseZoneFile } from '../../src/core/wire/dns/zone-file.ts';

export const granularity = { ipv4: 24, ipv6: 56 };

export const zoneText = `
$TTL 1h
@        IN SOA ns1 hostmaster ( 2026112101 2h 30m 3d 60 )
@        IN NS  ns1
@        IN NS  ns2
@           TXT "v=example" "second part"
ns1         A   203.0.113.53
ns2         A   198.51.100.53
ns2         AAAA 2001:db8::53
mail 300    MX  10 mx.elsewhere.example.
alias       CNAME www
far         CNAME host.elsewhere.example.
loop1       CNAME loop2
loop2       CNAME loop1
*.wild      TXT "any"
a.b.deep    A   192.0.2.1
child       NS  ns.child
ns.child    A   192.0.2.53
big         TXT ${Array.from({ length: 8 }, (_, i) => `"${String(i).repeat(200)}"`).join(' ')}
`;

export const name = (text: string): WireName => {
  const parsed = parseName(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.error}`);
  return parsed.value;
};

export const address = (text: string): Address => {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};

export const apex = name('svc.example.net.');

export const www = (usable: Readonly<Record<string, boolean>> = {}): SteeredName => ({
  name: name('www.svc.example.net.'),
  ttl: 30,
  addresses: [
    ['north', '203.0.113.10'],
    ['south', '198.51.100.10'],
    ['north', '2001:db8:1::10'],
    ['south', '2001:db8:2::10'],
  ].map(([provider = '', text = '']) => ({
    provider,
    address: address(text),
    isUsable: usable[provider] ?? true,
  })),
});

export const half: ResolverWeights = { default: { north: 5000, south: 5000 }, networks: [] };

export function tableOf(
  weights: ResolverWeights = half,
  steered: readonly SteeredName[] = [www()],
  text = zoneText,
): AnswerTable {
  const records = parseZoneFile(text, apex);
  if (!records.ok) throw new Error(JSON.stringify(records.error));
  const zones = makeZones(
    [{ apex, records: records.value }],
    steered.map((entry) => entry.name),
  );
  if (!zones.ok) throw new Error(JSON.stringify(zones.error));
  return makeTable(zones.value, steered, weights, granularity);
}

export const policy: AnswerPolicy = {
  granularity,
  cookieSecret: Uint8Array.from({ length: 16 }, (_, i) => i),
  clientSubnet: true,
  rateLimit: { responsesPerSecond: 0, slip: 2 },
};

export interface Bench {
  readonly answerer: Answerer;
  readonly raw: (
    bytes: Uint8Array,
    from?: string,
    transport?: 'udp' | 'tcp',
    nowMs?: number,
  ) => Uint8Array;
  readonly ask: (
    packet: Packet,
    from?: string,
    transport?: 'udp' | 'tcp',
    nowMs?: number,
  ) => DecodedPacket;
}

/** An answerer with questions put and answers read by dns-packet. */
export function benchOf(table = tableOf(), own: Partial<AnswerPolicy> = {}): Bench {
  const out = new Uint8Array(65_535);
  const answerer = new Answerer({ ...policy, ...own }, table, out);
  const raw: Bench['raw'] = (
    bytes,
    from = '192.0.2.7',
    transport = 'udp',
    nowMs = 1_800_000_000_000,
  ) => {
    const length = answerer.answer(bytes, { address: address(from), transport }, nowMs);
    return out.slice(0, length);
  };
  return {
    answerer,
    raw,
    ask: (packet, from, transport, nowMs) =>
      dnsPacket.decode(
        Buffer.from(raw(dnsPacket.encode({ type: 'query', ...packet }), from, transport, nowMs)),
      ),
  };
}

/** An OPT record for a question; options in dns-packet's form. */
export const opt = (options: readonly unknown[] = [], udpPayloadSize = 1232): Packet => ({
  additionals: [
    {
      type: 'OPT',
      name: '.',
      udpPayloadSize,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      // The package's types know fewer options than its code.
      options: options as never[],
    },
  ],
});

export const q = (qname: string, type = 'A'): Packet => ({
  id: 4711,
  // The package takes any type name; its types list fewer.
  questions: [{ name: qname, type: type as 'A', class: 'IN' }],
});
