import { isIPv6 } from 'node:net';
import snmp, { type Session, type Varbind } from 'net-snmp';
import { HeadgateError } from '../../core/base/error.ts';
import type { SnmpSettings } from '../../core/settings/snmp.ts';

/** A value as an agent gave it; 64-bit counters are bigint, missing objects undefined. */
export type SnmpValue = number | bigint | Uint8Array | undefined;

/** The questions that the poller asks; the only face it has of the network. */
export interface SnmpSession {
  /** Values in the order of `oids`. Throws `HeadgateError` with code `snmp_timeout` or `snmp_failed`. */
  get(oids: readonly string[]): Promise<readonly SnmpValue[]>;
  /** All of a subtree, by the part of the OID below it; at most `rowsMax` rows. */
  walk(oid: string, rowsMax: number): Promise<ReadonlyMap<string, SnmpValue>>;
  close(): void;
}

const retries = 2;
/** What fits a datagram of 1,500 bytes with room for 64-bit counters. */
const oidsPerRequest = 24;
const repetitions = 20;

const authProtocols = { md5: 'md5', sha: 'sha', sha256: 'sha256', sha512: 'sha512' } as const;
// The reader of the key differs: Blumenthal's AES-256 is what most routers mean.
const privacyProtocols = { des: 'des', aes: 'aes', aes256: 'aes256b' } as const;

export function openSnmpSession(address: string, settings: SnmpSettings): SnmpSession {
  const session = open(address, settings);
  let failure: Error | undefined;
  session.on('error', (error) => {
    failure = error;
  });
  const fail = (error: Error): HeadgateError => {
    const { message } = error;
    const isTimeout = error instanceof snmp.RequestTimedOutError;
    return new HeadgateError(
      isTimeout ? 'snmp_timeout' : 'snmp_failed',
      `router ${address}: SNMP: ${message}`,
      { cause: error, retryable: true },
    );
  };
  const getSome = (oids: readonly string[]) =>
    new Promise<readonly SnmpValue[]>((resolve, reject) => {
      if (failure) return reject(fail(failure));
      session.get([...oids], (error, varbinds) => {
        if (error) reject(fail(error));
        else resolve(varbinds.map(readValue));
      });
    });
  return {
    async get(oids) {
      const values: SnmpValue[] = [];
      for (let at = 0; at < oids.length; at += oidsPerRequest) {
        values.push(...(await getSome(oids.slice(at, at + oidsPerRequest))));
      }
      return values;
    },
    walk: (oid, rowsMax) =>
      new Promise((resolve, reject) => {
        const rows = new Map<string, SnmpValue>();
        const feed = (varbinds: readonly Varbind[]) => {
          for (const varbind of varbinds) {
            if (!varbind.oid.startsWith(`${oid}.`)) continue;
            rows.set(varbind.oid.slice(oid.length + 1), readValue(varbind));
          }
          // A true return ends the walk.
          return rows.size >= rowsMax;
        };
        session.subtree(oid, repetitions, feed, (error) => {
          if (error) reject(fail(error));
          else resolve(rows);
        });
      }),
    close() {
      try {
        session.close();
      } catch {
        // Closing a session whose socket failed is no further failure.
      }
    },
  };
}

function open(address: string, settings: SnmpSettings): Session {
  const options = {
    port: settings.port,
    retries,
    timeout: settings.timeout,
    transport: isIPv6(address) ? 'udp6' : 'udp4',
    // An agent that answers out of order would make a walk endless.
    backwardsGetNexts: false,
    reportOidMismatchErrors: true,
  } as const;
  if (settings.version === '2c') {
    return snmp.createSession(address, settings.community ?? '', {
      ...options,
      version: snmp.Version2c,
    });
  }
  const { user, auth, authKey, privacy, privacyKey } = settings;
  const hasAuth = auth !== undefined && authKey !== undefined;
  const hasPrivacy = hasAuth && privacy !== undefined && privacyKey !== undefined;
  const level = hasPrivacy ? 'authPriv' : hasAuth ? 'authNoPriv' : 'noAuthNoPriv';
  return snmp.createV3Session(
    address,
    {
      name: user,
      level: snmp.SecurityLevel[level],
      ...(hasAuth && { authProtocol: protocol(snmp.AuthProtocols, authProtocols[auth]), authKey }),
      ...(hasPrivacy && {
        privProtocol: protocol(snmp.PrivProtocols, privacyProtocols[privacy]),
        privKey: privacyKey,
      }),
    },
    { ...options, version: snmp.Version3 },
  );
}

function protocol(known: Readonly<Record<string, number>>, name: string): number {
  const number = known[name];
  if (number === undefined) throw new HeadgateError('snmp_protocol', `net-snmp lacks ${name}`);
  return number;
}

/** Counter64 comes as its bytes, without leading zeros. */
function readValue(varbind: Varbind): SnmpValue {
  const { value } = varbind;
  if (snmp.isVarbindError(varbind)) return undefined;
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  if (!(value instanceof Uint8Array)) return undefined;
  // 70 is Counter64 (RFC 3416 section 3).
  return varbind.type === 70 ? readCounter64(value) : value;
}

function readCounter64(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const octet of bytes) value = (value << 8n) | BigInt(octet);
  return value;
}
