import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Border, type Side, until } from './border.ts';
import { PcapTail, writePcap } from './pcap.ts';

const port = { inside: 'i0', outside: 'o0' } as const;

/** Sends frames in at one side and returns what comes out at the other, in order; files go to `folder`. */
export async function through(
  border: Border,
  folder: string,
  from: Side,
  frames: readonly Uint8Array[],
  perSecond: number,
): Promise<Buffer[]> {
  const to = from === 'inside' ? 'outside' : 'inside';
  const sent = join(folder, 'sent.pcap');
  const seen = join(folder, `seen-${from}.pcap`);
  rmSync(seen, { force: true });
  writePcap(sent, frames);
  const capture = border.start(
    to,
    'tcpdump',
    '-i',
    port[to],
    '-w',
    seen,
    '-U',
    '-s',
    '0',
    '-B',
    '65536',
    '--immediate-mode',
    '-Q',
    'in',
  );
  let said = '';
  capture.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await until(
    'tcpdump listens',
    () => said,
    (text) => text.includes('listening'),
  );
  await border.runAside(from, 'tcpreplay', '-q', '-i', port[from], `--pps=${perSecond}`, sent);
  const arrived: Buffer[] = [];
  const tail = new PcapTail(seen);
  const read = () => arrived.push(...tail.read());
  await until(`${frames.length} frames`, read, (count) => count >= frames.length).catch(
    () => undefined,
  );
  capture.kill('SIGTERM');
  return arrived;
}
