/**
 * The scalars of settings: text with units to branded values. Each says what was expected, with an example,
 * since that sentence is all that a person sees of a mistake.
 */
import { z } from 'zod';
import { formatPrefix, parseAddress, parsePrefix } from '../base/prefix.ts';
import {
  asn as asAsn,
  bitps,
  linkId,
  type Micros,
  micros,
  ms,
  type PrefixText,
  routerId,
} from '../base/units.ts';

/** A text (or number) that `read` turns into a value, or into undefined when it is not one. */
function scalar<T>(expected: string, read: (text: string) => T | undefined) {
  return z
    .union([z.string(), z.number()], { error: `expected ${expected}` })
    .transform((input, context): T => {
      const value = read(String(input).trim());
      if (value === undefined) {
        context.addIssue({ code: 'custom', message: `expected ${expected}, found "${input}"` });
        return z.NEVER;
      }
      return value;
    });
}

function quantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text);
  const factor = units[match?.[2] ?? ''];
  return match && factor !== undefined ? Number(match[1]) * factor : undefined;
}

const rateUnits = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };
const durationUnits = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 };
const sizeUnits = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

/** Bits per second, decimal multiples, above 0. */
export const rate = scalar('a rate in bit/s such as 500M or 10G', (text) => {
  const value = quantity(text.replace(/(bit\/s|bps)$/, '').trim(), rateUnits);
  return value !== undefined && value > 0 ? bitps(value) : undefined;
});

/** Bits per second, where 0 means none. */
export const rateOrZero = scalar('a rate in bit/s such as 2G, or 0', (text) => {
  const value = quantity(text.replace(/(bit\/s|bps)$/, '').trim(), rateUnits);
  return value === undefined ? undefined : bitps(value);
});

/** Milliseconds. A bare number would leave the unit to guessing and is refused. */
export const duration = scalar(
  'a time with its unit such as 500ms, 30s, 30m, 12h or 90d',
  (text) => {
    const value = quantity(text, durationUnits);
    return value === undefined ? undefined : ms(value);
  },
);

/** Bytes. */
export const size = scalar('an amount of bytes such as 500M or 2Gi', (text) =>
  quantity(text, sizeUnits),
);

/** 0 to 1, written in percent. */
export const share = scalar('a share such as 10%', (text) => {
  const match = /^(\d+(?:\.\d+)?)\s*%$/.exec(text);
  const value = match ? Number(match[1]) / 100 : Number.NaN;
  return value <= 1 ? value : undefined;
});

/** Money as decimal text or number, kept in millionths. */
export const money = scalar<Micros>('an amount of money such as 0.45', (text) => {
  const value = /^\d+(\.\d{1,6})?$/.test(text) ? Math.round(Number(text) * 1e6) : Number.NaN;
  return Number.isSafeInteger(value) ? micros(value) : undefined;
});

export const prefix = scalar<PrefixText>(
  'a prefix without host bits such as 198.51.100.0/24 or 2001:db8::/32',
  (text) => {
    const parsed = parsePrefix(text);
    return parsed.ok && text.includes('/') ? formatPrefix(parsed.value) : undefined;
  },
);

export const address = scalar('an IPv4 or IPv6 address', (text) =>
  parseAddress(text).ok ? text : undefined,
);

export const ipv4 = scalar('an IPv4 address', (text) => {
  const parsed = parseAddress(text);
  return parsed.ok && parsed.value.family === 4 ? text : undefined;
});

export const ipv6 = scalar('an IPv6 address', (text) => {
  const parsed = parseAddress(text);
  return parsed.ok && parsed.value.family === 6 ? text : undefined;
});

export const mac = scalar('a MAC address such as 02:00:00:00:00:01', (text) =>
  /^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text) ? text.toLowerCase() : undefined,
);

/** `127.0.0.1:9469` or `[::1]:9469`. */
export const listenAddress = scalar('an address and port such as 127.0.0.1:9469', (text) => {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  return match && port <= 65535 && parseAddress(host).ok ? { address: host, port } : undefined;
});

/** `tls://10.0.0.5:4222`; the scheme and the port may be left away. */
export const natsServer = scalar('a NATS server such as tls://10.0.0.5:4222', (text) => {
  const match = /^(?:(nats|tls):\/\/)?(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?$/.exec(
    text,
  );
  const port = Number(match?.[3] ?? 4222);
  return match && port <= 65535 ? `${match[1] ?? 'nats'}://${match[2]}:${port}` : undefined;
});

export const path = z.string({ error: 'expected a path' }).min(1, { error: 'expected a path' });

/** A point in time; the zone is required, since the unit and its reader may live in different ones. */
export const time = scalar('a time with its zone such as 2026-03-01T22:00:00Z', (text) => {
  const hasZone = /T.*(Z|[+-]\d\d:\d\d)$/.test(text);
  const value = hasZone ? Date.parse(text) : Number.NaN;
  return Number.isNaN(value) ? undefined : ms(value);
});

/** Names appear in metrics, file names and on the command line: no spaces, no quoting needed. */
const nameForm = 'a name of letters, digits, "-", "_" and "."';
const nameOf = (text: string) => (/^[A-Za-z0-9][\w.-]{0,62}$/.test(text) ? text : undefined);
export const name = scalar(nameForm, nameOf);
export const linkName = scalar(nameForm, (text) => {
  const value = nameOf(text);
  return value === undefined ? undefined : linkId(value);
});
export const routerName = scalar(nameForm, (text) => {
  const value = nameOf(text);
  return value === undefined ? undefined : routerId(value);
});

/** What a router calls its interface or what its operator wrote beside it: `xe-0/0/1.100`, `transit north`. */
export const routerPort = scalar('the name or alias of an interface such as xe-0/0/1', (text) =>
  /^[\x21-\x7e]([\x20-\x7e]{0,62}[\x21-\x7e])?$/.test(text) ? text : undefined,
);

/** Linux interface names: at most 15 bytes, no slash or space. */
export const interfaceName = scalar('the name of a network interface such as eth1', (text) =>
  /^[^\s/:]{1,15}$/.test(text) ? text : undefined,
);

/** 65001:80 (RFC 1997) or 65001:1:80 (RFC 8092), as its two or three numbers. */
export const community = scalar(
  'a community such as "65001:80" or "65001:1:80", in quotes',
  (text): readonly [number, number] | readonly [number, number, number] | undefined => {
    const match = /^(\d{1,10}):(\d{1,10})(?::(\d{1,10}))?$/.exec(text);
    if (!match) return undefined;
    const [a, b] = [Number(match[1]), Number(match[2])];
    if (match[3] === undefined) return a <= 0xffff && b <= 0xffff ? [a, b] : undefined;
    const c = Number(match[3]);
    return Math.max(a, b, c) <= 0xffffffff ? [a, b, c] : undefined;
  },
);

export const asn = z
  .int({ error: 'expected an AS number from 1 to 4294967295' })
  .min(1, { error: 'expected an AS number from 1 to 4294967295' })
  .max(4294967295, { error: 'expected an AS number from 1 to 4294967295' })
  .transform(asAsn);

/** A whole number in a closed range. */
export function whole(from: number, to: number) {
  const error = `expected a whole number from ${from} to ${to}`;
  return z.int({ error }).min(from, { error }).max(to, { error });
}

/** A plain number of 0 or more. */
export const weight = z
  .number({ error: 'expected a number of 0 or more' })
  .min(0, { error: 'expected a number of 0 or more' });
