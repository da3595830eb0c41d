/** The TypeScript face of native/dns: the UDP sockets of the name server. */
import { HeadgateError } from '../core/base/error.ts';
import { type Address, makePrefix } from '../core/base/prefix.ts';
import type { AnswerPolicy, AnswerTable } from '../core/wire/dns/answer.ts';
import { compileTable } from '../core/wire/dns/compiled.ts';
import { loadNative } from './native.ts';

declare const handleBrand: unique symbol;
type Handle = { readonly [handleBrand]: 'server' };
type Responder = { readonly [handleBrand]: 'responder' };

interface NativePolicy {
  readonly ipv4Bits: number;
  readonly ipv6Bits: number;
  readonly clientSubnet: boolean;
  readonly cookieSecret: Uint8Array | undefined;
  readonly responsesPerSecond: number;
  readonly slip: number;
}

interface DnsExports {
  dnsOpen(
    addresses: readonly string[],
    port: number,
    policy: NativePolicy,
    table: Uint8Array,
    wake: () => void,
  ): Handle;
  dnsPublish(handle: Handle, table: Uint8Array): void;
  dnsTake(handle: Handle): Uint8Array;
  dnsSend(handle: Handle, parcels: Uint8Array): void;
  dnsCounts(handle: Handle): Record<string, number>;
  dnsResolvers(handle: Handle): Uint8Array;
  dnsClose(handle: Handle): void;
  dnsResponder(policy: NativePolicy, table: Uint8Array): Responder;
  dnsAnswer(
    responder: Responder,
    query: Uint8Array,
    address: Uint8Array,
    nowMs: number,
  ): Uint8Array | undefined;
}

/** `Parcel` of native/dns/udp_server.h: address(16) scope(4) family(2) port(2) socket(2) length(2), then the message. */
const parcelOctets = 28;
const familyAt = 20;
const lengthAt = 26;
/** `ResolverQueries` of native/dns/census.h: address(16) family(4) queries(4). */
const resolverOctets = 24;

export interface DnsSockets {
  /** Throws HeadgateError `bad_table`. */
  publish(table: AnswerTable): void;
  /** By outcome or reason, cumulative. */
  counts(): Readonly<Record<string, number>>;
  /** Queries per resolver since the last call. */
  drainResolvers(): ReadonlyArray<{ readonly address: Address; readonly queries: number }>;
  readonly port: number;
  close(): void;
}

/**
 * Opens a UDP socket at each address and the thread that answers from the table. Queries that it does not
 * know go through `answer`, whose result (empty: silence) leaves from the address that was asked.
 * Throws HeadgateError `listen_failed` or `native_missing`.
 */
export function openDnsSockets(
  listen: readonly string[],
  port: number,
  policy: AnswerPolicy,
  table: AnswerTable,
  answer: (query: Uint8Array, address: Address) => Uint8Array,
): DnsSockets {
  const native = loadNative<DnsExports>();
  let isOpen = true;
  const wake = () => {
    // A wake-up may still be on its way when the sockets are closed.
    if (isOpen) native.dnsSend(handle, answerParcels(native.dnsTake(handle), answer));
  };
  const handle = rethrown(() =>
    native.dnsOpen(listen, port, nativePolicy(policy), compileTable(table), wake),
  );
  return {
    port: native.dnsCounts(handle).port ?? port,
    publish: (next) => rethrown(() => native.dnsPublish(handle, compileTable(next))),
    counts: () => {
      const { port: _, ...counts } = native.dnsCounts(handle);
      return counts;
    },
    drainResolvers: () => decodeResolvers(native.dnsResolvers(handle)),
    close: () => {
      isOpen = false;
      native.dnsClose(handle);
    },
  };
}

/** The native path without sockets, undefined where a query is TypeScript's: for tests that compare the two. */
export function answerNatively(
  policy: AnswerPolicy,
  table: AnswerTable,
): (query: Uint8Array, address: Address, nowMs: number) => Uint8Array | undefined {
  const native = loadNative<DnsExports>();
  const responder = native.dnsResponder(nativePolicy(policy), compileTable(table));
  return (query, address, nowMs) => native.dnsAnswer(responder, query, address.bytes, nowMs);
}

/** The answers to a run of parcels, each with the head of its query and another length. */
function answerParcels(
  parcels: Uint8Array,
  answer: (query: Uint8Array, address: Address) => Uint8Array,
): Uint8Array {
  const answers: Uint8Array[] = [];
  const view = new DataView(parcels.buffer, parcels.byteOffset, parcels.length);
  for (let at = 0; at + parcelOctets <= parcels.length; ) {
    const length = view.getUint16(at + lengthAt, true);
    const isIpv4 = view.getUint16(at + familyAt, true) === 4;
    const bytes = parcels.subarray(at, at + (isIpv4 ? 4 : 16));
    const address = makePrefix(isIpv4 ? 4 : 6, bytes, isIpv4 ? 32 : 128);
    const message = answer(
      parcels.subarray(at + parcelOctets, at + parcelOctets + length),
      address,
    );
    if (message.length > 0) {
      const parcel = new Uint8Array(parcelOctets + message.length);
      parcel.set(parcels.subarray(at, at + parcelOctets));
      new DataView(parcel.buffer).setUint16(lengthAt, message.length, true);
      parcel.set(message, parcelOctets);
      answers.push(parcel);
    }
    at += parcelOctets + length;
  }
  return Buffer.concat(answers);
}

function decodeResolvers(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / resolverOctets }, (_, i) => {
    const at = i * resolverOctets;
    const family = view.getUint32(at + 16, true) === 4 ? 4 : 6;
    const octets = bytes.subarray(at, at + (family === 4 ? 4 : 16));
    const address = makePrefix(family, octets, octets.length * 8);
    return { address, queries: view.getUint32(at + 20, true) };
  });
}

function nativePolicy({ granularity, clientSubnet, cookieSecret, rateLimit }: AnswerPolicy) {
  return {
    ipv4Bits: granularity.ipv4,
    ipv6Bits: granularity.ipv6,
    clientSubnet,
    cookieSecret,
    responsesPerSecond: rateLimit.responsesPerSecond,
    slip: rateLimit.slip,
  };
}

/** The native module's errors carry a code and a sentence of their own. */
function rethrown<T>(call: () => T): T {
  try {
    return call();
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && typeof cause.code === 'string')) throw cause;
    throw new HeadgateError(cause.code, cause.message, { cause });
  }
}
