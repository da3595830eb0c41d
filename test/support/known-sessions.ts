/** TCP sessions of which every round trip is known. */

/** Between the unit and our hosts: must not be told as if it lay beyond. */
const insideUs = 5_000;

/** A frame, and when it passes the unit. */
export interface Sent {
  readonly atUs: number;
  readonly frame: Buffer;
}

const hex = (value: number, bytes: number) => value.toString(16).padStart(bytes * 2, '0');

/** Ethernet, IPv4, TCP with timestamps in milliseconds of the capture. */
function segment(
  [source, sourcePort]: readonly [string, number],
  [target, targetPort]: readonly [string, number],
  { seq, ack, flags, payload, tsval, tsecr }: Record<string, number>,
): Buffer {
  const body = 'aa'.repeat(payload ?? 0);
  const length = 20 + 32 + (payload ?? 0);
  const ip = `4500${hex(length, 2)}000040004006 0000 ${source}${target}`;
  const ports = `${hex(sourcePort, 2)}${hex(targetPort, 2)}`;
  const head = `${hex(seq ?? 0, 4)}${hex(ack ?? 0, 4)}80${hex(flags ?? 16, 1)}ffff00000000`;
  const stamps = `0101080a${hex(tsval ?? 0, 4)}${hex(tsecr ?? 0, 4)}`;
  return Buffer.from(
    `0200000000020200000000010800${ip}${ports}${head}${stamps}${body}`.replaceAll(' ', ''),
    'hex',
  );
}

/**
 * One session that our host (in hex) opens: a handshake, then data that is acknowledged one by one, each after the next of
 * `delaysUs`.
 */
export function session(
  host: string,
  port: number,
  startUs: number,
  delaysUs: readonly number[],
): Sent[] {
  const ours = [host, port] as const;
  const theirs = ['cb007107', 443] as const;
  const sent: Sent[] = [];
  let atUs = startUs;
  let [seq, heard] = [1000, 0];
  for (const [i, delayUs] of delaysUs.entries()) {
    const isOpening = i === 0;
    const payload = isOpening ? 0 : 100;
    const tsval = Math.floor(atUs / 1000);
    const ack = isOpening ? 0 : 5001;
    const flags = isOpening ? 0x02 : 0x18;
    sent.push({
      atUs,
      frame: segment(ours, theirs, { seq, ack, flags, payload, tsval, tsecr: heard }),
    });
    seq += isOpening ? 1 : payload;
    atUs += delayUs;
    heard = 7_000_000 + Math.floor(atUs / 1000);
    const answer = { seq: isOpening ? 5000 : 5001, ack: seq, flags: isOpening ? 0x12 : 0x10 };
    sent.push({
      atUs,
      frame: segment(theirs, ours, { ...answer, payload: 0, tsval: heard, tsecr: tsval }),
    });
    atUs += insideUs;
  }
  return sent;
}
