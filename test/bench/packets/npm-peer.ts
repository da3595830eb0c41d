/**
 * A capture file by the npm packages that hand JavaScript one object per packet, as their users do: `pcap` with its
 * own TCP tracker, `cap` with its decoders and a Map of sessions. Prints the retransmissions found.
 * Usage: node npm-peer.js pcap|cap FILE FOLDER, FOLDER being where the package is installed.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

interface Pcap {
  createOfflineSession(
    path: string,
    options: { readonly filter: string },
  ): { on(event: 'packet' | 'complete', listener: (packet: unknown) => void): void };
  readonly decode: { packet(raw: unknown): unknown };
  readonly TCPTracker: new () => {
    track_packet(packet: unknown): void;
    on(event: 'session', listener: (session: PcapSession) => void): void;
  };
}
interface PcapSession {
  on(event: 'retransmit', listener: () => void): void;
}
interface Headers {
  readonly info: Readonly<Record<string, number>> & {
    readonly srcaddr: string;
    readonly dstaddr: string;
  };
  readonly offset: number;
  readonly hdrlen: number;
}
interface Cap {
  readonly decoders: Readonly<
    Record<'Ethernet' | 'IPV4' | 'TCP', (bytes: Buffer, offset: number) => Headers>
  >;
}

const [, , name, file = '', folder = ''] = process.argv;
// The casts are of what the packages' own manuals state.
const load = createRequire(join(folder, 'package.json'));
let retransmitted = 0;
if (name === 'pcap') byPcap(load('pcap') as Pcap);
else byCap(load('cap') as Cap);

function byPcap(pcap: Pcap): void {
  const session = pcap.createOfflineSession(file, { filter: '' });
  const tracker = new pcap.TCPTracker();
  tracker.on('session', (each) => each.on('retransmit', () => retransmitted++));
  session.on('packet', (raw) => tracker.track_packet(pcap.decode.packet(raw)));
  session.on('complete', () => process.stdout.write(`${retransmitted}\n`));
}

function byCap({ decoders }: Cap): void {
  const bytes = readFileSync(file);
  const next = new Map<string, number>();
  for (let at = 24; at + 16 <= bytes.length; at += 16 + bytes.readUInt32LE(at + 8)) {
    const ethernet = decoders.Ethernet(bytes, at + 16);
    const ip = decoders.IPV4(bytes, ethernet.offset);
    const { info, hdrlen } = decoders.TCP(bytes, ip.offset);
    const payload = (ip.info.totallen ?? 0) - ip.hdrlen - hdrlen;
    if (payload <= 0) continue;
    const side = `${ip.info.srcaddr}:${info.srcport}-${ip.info.dstaddr}:${info.dstport}`;
    const end = ((info.seqno ?? 0) + payload) >>> 0;
    const known = next.get(side);
    if (known === undefined || ((end - known) | 0) > 0) next.set(side, end);
    else retransmitted++;
  }
  process.stdout.write(`${retransmitted}\n`);
}
