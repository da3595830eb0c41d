/** Every capture against capinfos and against the per-block references; each difference has a name and a reason. */
import t from 'tap';
import { prefixText } from '../../src/core/base/units.ts';
import { startReplay } from '../../src/engine/replay.ts';
import { capturesFolder, listCaptures, noCaptures } from './captures.ts';

/** Where the references and we mean different things. */
const explained: Readonly<Record<string, { readonly ipv6?: string; readonly ipBytes?: string }>> = {
  'zeek-erspan.pcap': {
    ipv6: 'tshark counts the IPv6 packets inside the ERSPAN tunnel; we count the outermost header',
  },
  'tcpdump-bigtcp-ipv6-hbh.pcap': {
    ipBytes:
      'the payload length of a jumbogram is 0: the reference adds 40 to it, we take the jumbo option',
  },
};

t.test(
  'packets and frame bytes equal capinfos on every capture',
  { skip: noCaptures },
  async (t) => {
    const captures = listCaptures();
    t.ok(captures.length > 60, `${captures.length} captures in ${capturesFolder}`);
    for (const { name, path, reference } of captures) {
      const { counts } = await startReplay({ path }).result;
      t.equal(counts?.packets, Number(reference.capinfos['Number of packets']), `${name}: packets`);
      t.equal(
        counts?.frameBytes,
        Number(reference.capinfos['Data size (bytes)']),
        `${name}: bytes`,
      );
    }
  },
);

t.test('IPv4 and IPv6 packets equal the references', { skip: noCaptures }, async (t) => {
  for (const { name, path, reference } of listCaptures()) {
    const protocols = reference.tshark?.frames_with_protocol;
    if (!protocols) continue;
    const { counts } = await startReplay({ path }).result;
    t.equal(counts?.ipv4Packets, protocols.ip ?? 0, `${name}: IPv4`);
    if (explained[name]?.ipv6) t.not(counts?.ipv6Packets, protocols.ipv6, explained[name].ipv6);
    else t.equal(counts?.ipv6Packets, protocols.ipv6 ?? 0, `${name}: IPv6`);
    t.equal(
      (counts?.ipv4Packets ?? 0) + (counts?.ipv6Packets ?? 0) + (counts?.otherPackets ?? 0),
      counts?.packets,
      `${name}: every packet has one outermost header`,
    );
  }
});

t.test('packets and bytes of every block equal the references', { skip: noCaptures }, async (t) => {
  let compared = 0;
  for (const { name, path, reference } of listCaptures()) {
    const { src = {}, dst = {} } = reference.address_blocks ?? {};
    const blocks = [...new Set([...Object.keys(src), ...Object.keys(dst)])].map(prefixText);
    if (blocks.length === 0) continue;
    const { counts } = await startReplay({ path, tables: { blocks, links: [] } }).result;
    const got = new Map(
      counts?.blocks.map((row) => [
        `${row.block} ${row.direction}`,
        [row.packets, row.l2Bytes, row.ipBytes],
      ]),
    );
    const expected = new Map<string, readonly number[]>([
      ...Object.entries(src).map(([block, row]) => [`${block} outbound`, row] as const),
      ...Object.entries(dst).map(([block, row]) => [`${block} inbound`, row] as const),
    ]);
    t.same([...got.keys()].sort(), [...expected.keys()].sort(), `${name}: the blocks`);
    for (const [key, row] of expected) {
      compared++;
      if (explained[name]?.ipBytes) {
        t.same(got.get(key)?.slice(0, 2), row.slice(0, 2), `${name}: ${key}`);
        t.not(got.get(key)?.[2], row[2], explained[name].ipBytes);
      } else {
        t.same(got.get(key), row, `${name}: ${key}`);
      }
    }
  }
  t.ok(compared > 100, `${compared} blocks compared`);
});

t.test(
  'what cannot be parsed has a reason, and the rest of the file is read',
  { skip: noCaptures },
  async (t) => {
    const reasons: Record<string, Readonly<Record<string, number>> | undefined> = {};
    for (const { name, path } of listCaptures()) {
      if (!name.startsWith('malformed/')) continue;
      const result = await startReplay({ path }).result;
      t.equal(result.end, 'clean', `${name}: read to its end`);
      reasons[name.slice('malformed/'.length)] = result.counts?.unparsed;
    }
    t.match(reasons, {
      'tcpdump-ipv4_invalid_hdr_length.pcap': { ip_header_length: 1 },
      'tcpdump-ipv4_invalid_total_length.pcap': { ip_total_length: 1 },
      'tcpdump-ipv6-bad-version.pcap': { ip_version: 2 },
      'tcpdump-ipv6-next-header-oobr-1.pcap': { extension_cut: 1 },
      'tcpdump-ipv6_jumbogram_invalid_length.pcap': { ip_total_length: 1 },
      'pcpp-tcp-malformed.pcap': { tcp_header_length: 2 },
      'zeek-ip4-trunc.pcap': { ip_cut: 1 },
    });
  },
);
