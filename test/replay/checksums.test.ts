/**
 * Marked packets of real captures, judged by tshark: every checksum is as right as it was, the ECN bits and all of IPv6
 * but its class are as they were, and a VLAN's priority stays.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { capturesFolder, headgate, listCaptures, noCaptures } from './captures.ts';

const isLong = process.env.HEADGATE_LONG === '1';
const skip = noCaptures || (!existsSync('/usr/bin/tshark') && 'tshark is not installed');
t.setTimeout(600_000);
const folder = mkdtempSync(join(tmpdir(), 'headgate-checksums-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

/** By default one with both families, tunnels and bad checksums, and one with tags; whole with --long. */
const sample = ['pcpp-many-protocols.pcap', 'zeek-mixed-vlan-mpls.pcap'];
/** What must not change, whatever the mark. */
const kept = [
  ...['ip.checksum.status', 'tcp.checksum.status', 'udp.checksum.status'],
  ...['ip.dsfield.ecn', 'ipv6.tclass.ecn', 'ipv6.flow', 'ipv6.plen', 'ipv6.nxt', 'ipv6.hlim'],
  ...['ip.id', 'ip.ttl', 'ip.len', 'tcp.seq_raw', 'tcp.len', 'udp.length'],
];
const marks = { dscp: '{ dscp: 10 }', vlan: '{ vlan: 101 }' } as const;

t.test('a mark leaves everything else right', { skip }, async (t) => {
  const names = isLong ? listCaptures().map(({ name }) => name) : sample;
  const checked = { dscp: 0, vlan: 0 };
  for (const name of names.filter((each) => !each.includes('malformed'))) {
    const path = join(capturesFolder, name);
    const plain = join(folder, 'plain.pcap');
    await headgate('replay', '--write', plain, path);
    const before = readFields(plain);
    for (const kind of ['dscp', 'vlan'] as const) {
      const settings = join(folder, `${kind}.yaml`);
      const marked = join(folder, 'marked.pcap');
      writeFileSync(settings, settingsWith(marks[kind]));
      await headgate(
        ...['replay', '--settings', settings, '--block', '0.0.0.0/0', '--block', '::/0'],
        ...['--destination', '0.0.0.0/0=north', '--destination', '::/0=north'],
        ...['--write', marked, path],
      );
      const after = readFields(marked);
      const other = kind === 'dscp' ? 'vlan' : 'dscp';
      const rest = (rows: typeof before) => rows.map((row) => `${row.kept}\t${row[other]}`);
      t.same(rest(after), rest(before), `${name}: what is no ${kind} is as it was`);
      const changed = after.flatMap((row, i) => {
        const was = before[i]?.[kind] ?? '';
        return row[kind] === was ? [] : [{ now: row[kind], was }];
      });
      checked[kind] += changed.length;
      t.same(
        changed.filter(({ now, was }) => !isMarked(kind, now, was)),
        [],
        `${name}: what changed bears the ${kind}`,
      );
    }
  }
  for (const [kind, count] of Object.entries(checked))
    t.ok(count > 100, `${count} packets were marked by ${kind}`);
});

/** Whether the outermost of what changed is the mark, all within as it was. */
function isMarked(kind: 'dscp' | 'vlan', now: string, before: string): boolean {
  const [one = '', other = ''] = now.split('\t');
  const [wasOne = '', wasOther = ''] = before.split('\t');
  const inner = (text: string) => text.split(',').slice(1).join();
  if (kind === 'dscp') {
    const isFirst = (text: string) => text.split(',')[0] === '10';
    return (
      (isFirst(one) || isFirst(other)) &&
      (one === wasOne || inner(one) === inner(wasOne)) &&
      (other === wasOther || inner(other) === inner(wasOther))
    );
  }
  if (one.split(',')[0] !== '101') return false;
  const tags = (text: string) => (text === '' ? 0 : text.split(',').length);
  // A tag that was there keeps its priority; a new one stands before the others.
  if (tags(one) === tags(wasOne)) return inner(one) === inner(wasOne) && other === wasOther;
  return inner(one) === wasOne && inner(other) === wasOther;
}

interface Row {
  readonly kept: string;
  readonly dscp: string;
  readonly vlan: string;
}

/** Of each packet. */
function readFields(file: string): readonly Row[] {
  const checks = ['ip', 'tcp', 'udp'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]);
  const names = ['ip.dsfield.dscp', 'ipv6.tclass.dscp', 'vlan.id', 'vlan.priority', ...kept];
  const wanted = names.flatMap((name) => ['-e', name]);
  const text = execFileSync('tshark', ['-r', file, ...checks, '-T', 'fields', ...wanted], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return text.split('\n').map((line) => {
    const columns = line.split('\t');
    return {
      dscp: columns.slice(0, 2).join('\t'),
      vlan: columns.slice(2, 4).join('\t'),
      kept: columns.slice(4).join('\t'),
    };
  });
}

function settingsWith(mark: string): string {
  return `
asn: 64512
networks: [198.51.100.0/24]
wires: [{ name: core, place: inside, inside: eth1, outside: eth2 }]
links:
  - { name: north, asn: 65001, capacity: 1G, attribute: { wire: core, mac: 02:00:00:00:00:0b }, mark: ${mark} }
`;
}
