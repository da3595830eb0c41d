import { err, ok, type Result } from '../../core/base/result.ts';
import { type Bitps, bitps } from '../../core/base/units.ts';
import type { SnmpValue } from './session.ts';

/** IF-MIB (RFC 2863). */
export const oids = {
  sysUpTime: '1.3.6.1.2.1.1.3.0',
  ifName: '1.3.6.1.2.1.31.1.1.1.1',
  ifAlias: '1.3.6.1.2.1.31.1.1.1.18',
  ifDescr: '1.3.6.1.2.1.2.2.1.2',
  /** Indexed by higher and lower layer; what runs over what. */
  ifStackStatus: '1.3.6.1.2.1.31.1.2.1.3',
} as const;

const ifEntry = '1.3.6.1.2.1.2.2.1';
const ifXEntry = '1.3.6.1.2.1.31.1.1.1';

/** The columns of one interface, in the order in which `decodeReading` takes them. */
const columns = [
  `${ifXEntry}.1`, // ifName
  `${ifEntry}.8`, // ifOperStatus
  `${ifXEntry}.15`, // ifHighSpeed, Mb/s
  `${ifXEntry}.19`, // ifCounterDiscontinuityTime
  `${ifXEntry}.6`, // ifHCInOctets
  `${ifXEntry}.10`, // ifHCOutOctets
  `${ifXEntry}.7`, // ifHCInUcastPkts
  `${ifXEntry}.11`, // ifHCOutUcastPkts
  `${ifEntry}.13`, // ifInDiscards
  `${ifEntry}.19`, // ifOutDiscards
  `${ifEntry}.14`, // ifInErrors
  `${ifEntry}.20`, // ifOutErrors
  `${ifEntry}.10`, // ifInOctets, 32 bit
  `${ifEntry}.16`, // ifOutOctets, 32 bit
] as const;
export const columnCount = columns.length;

export const interfaceOids = (ifIndex: number): string[] =>
  columns.map((column) => `${column}.${ifIndex}`);

/** Speed and state alone: what is asked of the members of a bundle. */
export const memberOids = (ifIndex: number): string[] => [
  `${ifEntry}.8.${ifIndex}`,
  `${ifXEntry}.15.${ifIndex}`,
];

/** One look at one interface. */
export interface InterfaceReading {
  /** Ticks of the agent's clock, hundredths of a second, modulo 2^32. */
  readonly upTime: number;
  /** Our clock, milliseconds. */
  readonly atMs: number;
  readonly name: string;
  readonly isUp: boolean;
  /** 0 when the agent does not know. */
  readonly speed: Bitps;
  readonly discontinuity: number;
  /** 64: the high-capacity counters; 32: an old agent, which wraps every 34 s at 1 Gb/s. */
  readonly width: 32 | 64;
  readonly inBytes: bigint;
  readonly outBytes: bigint;
  readonly inPackets: bigint;
  readonly outPackets: bigint;
  readonly inDiscards: bigint;
  readonly outDiscards: bigint;
  readonly inErrors: bigint;
  readonly outErrors: bigint;
}

/** The interface is gone, or the agent answers with what is no counter. */
export type ReadingError = 'no_such_interface' | 'wrong_type';

export function decodeReading(
  upTime: SnmpValue,
  values: readonly SnmpValue[],
  atMs: number,
): Result<InterfaceReading, ReadingError> {
  const [name, status, speed, discontinuity, ...counters] = values;
  if (status === undefined) return err('no_such_interface');
  const [inHc, outHc, inPackets, outPackets, ...narrow] = counters;
  const [inDiscards, outDiscards, inErrors, outErrors, in32, out32] = narrow;
  const has64 = typeof inHc === 'bigint' && typeof outHc === 'bigint';
  const inBytes = has64 ? inHc : count(in32);
  const outBytes = has64 ? outHc : count(out32);
  if (typeof upTime !== 'number' || typeof status !== 'number') return err('wrong_type');
  if (inBytes === undefined || outBytes === undefined) return err('wrong_type');
  return ok({
    upTime,
    atMs,
    name: text(name),
    // 1 is up; 5 dormant waits for something and carries nothing.
    isUp: status === 1,
    speed: bitps(typeof speed === 'number' ? speed * 1e6 : 0),
    discontinuity: typeof discontinuity === 'number' ? discontinuity : 0,
    width: has64 ? 64 : 32,
    inBytes,
    outBytes,
    inPackets: count(inPackets) ?? 0n,
    outPackets: count(outPackets) ?? 0n,
    inDiscards: count(inDiscards) ?? 0n,
    outDiscards: count(outDiscards) ?? 0n,
    inErrors: count(inErrors) ?? 0n,
    outErrors: count(outErrors) ?? 0n,
  });
}

/** Text of an OCTET STRING; agents pad with zeros. */
export function text(value: SnmpValue): string {
  if (!(value instanceof Uint8Array)) return '';
  return new TextDecoder().decode(value).replace(/\0+$/, '').trim();
}

function count(value: SnmpValue): bigint | undefined {
  if (typeof value === 'bigint') return value;
  return typeof value === 'number' && value >= 0 ? BigInt(value) : undefined;
}
