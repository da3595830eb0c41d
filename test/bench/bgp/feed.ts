/** A full table as UPDATE messages: today's prefixes with attributes of a real dump. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { ByteReader } from '../../../src/core/base/bytes.ts';
import { type Prefix, parsePrefix } from '../../../src/core/base/prefix.ts';
import { decodeAttributes } from '../../../src/core/wire/bgp/attribute-decode.ts';
import { encodeAttributes } from '../../../src/core/wire/bgp/attribute-encode.ts';
import type { PathAttributes } from '../../../src/core/wire/bgp/attributes.ts';
import { attributeFlag, attributeType } from '../../../src/core/wire/bgp/codes.ts';
import { MessageSplitter } from '../../../src/core/wire/bgp/framing.ts';
import { nlriLength } from '../../../src/core/wire/bgp/nlri.ts';
import {
  encodeEndOfRib,
  encodeUpdate,
  splitUpdate,
  type UpdateFields,
} from '../../../src/core/wire/bgp/update.ts';
import { decodeMrtRecord, readMrtFrames } from '../../../src/core/wire/mrt/decode.ts';
import { capturesFolder } from '../../support/captures.ts';

const prefixFile = `${capturesFolder}/data/bart-fulltable-prefixes.txt.gz`;
const dumpFile = `${capturesFolder}/data/rrc06-bview.20100701.0759.rebuilt.mrt.bz2`;

export const hasFeedData = (): boolean => existsSync(prefixFile) && existsSync(dumpFile);

export interface Feed {
  /** Whole messages, one after the other, with `placeholderAsn` in front of each path. */
  readonly bytes: Uint8Array;
  readonly prefixes: number;
  readonly attributeSets: number;
}

const placeholderAsn = 65_100;
const context = { as4: true, addPath: { 4: false, 6: false } };
/** Room for prefixes in a message of 4096 bytes beside attributes that are at most this long. */
const messageRoom = 4096 - 64;

/**
 * A neighbour's whole table: each prefix gets the attributes that stand at the same share of the dump, so
 * that neighbours in the table share attributes as they do in life, and prefixes of equal attributes are
 * packed together as routers do.
 */
export function buildFeed(limit: number): Feed {
  const prefixes = readPrefixes(limit);
  const blocks = readAttributes(limit);
  const groups = new Map<
    string,
    { attributes: PathAttributes; family: 4 | 6; prefixes: Prefix[] }
  >();
  prefixes.forEach((prefix, i) => {
    const at = Math.floor((i * blocks.length) / prefixes.length);
    const key = `${prefix.family} ${blocks[at]?.key ?? ''}`;
    const group = groups.get(key);
    if (group) group.prefixes.push(prefix);
    else
      groups.set(key, {
        attributes: withPeer(blocks[at]?.attributes ?? {}),
        family: prefix.family,
        prefixes: [prefix],
      });
  });
  const chunks: Uint8Array[] = [];
  for (const group of groups.values()) chunks.push(...encodeGroup(group));
  chunks.push(encodeEndOfRib(4), encodeEndOfRib(6));
  const bytes = new Uint8Array(Buffer.concat(chunks));
  return { bytes, prefixes: prefixes.length, attributeSets: groups.size };
}

/** The same table as this neighbour would send it: its AS in front of every path. */
export function forPeer(feed: Uint8Array, peerAsn: number): Uint8Array {
  const bytes = feed.slice();
  const splitter = new MessageSplitter();
  splitter.push(bytes);
  for (let next = splitter.next(); next?.ok; next = splitter.next()) {
    const fields = splitUpdate(next.value.bytes);
    if (fields.ok) putFirstAsn(next.value.bytes, fields.value, peerAsn);
  }
  return bytes;
}

/** A frame is a view of the stream, so that writing to it writes to the feed. */
function putFirstAsn(message: Uint8Array, fields: UpdateFields, peerAsn: number): void {
  for (let at = fields.attributesStart; at < fields.attributesEnd; ) {
    const isExtended = ((message[at] ?? 0) & attributeFlag.extendedLength) !== 0;
    const valueAt = at + (isExtended ? 4 : 3);
    const high = isExtended ? (message[at + 2] ?? 0) << 8 : 0;
    // Kind and count of the segment, then AS numbers of four octets.
    if (message[at + 1] === attributeType.asPath)
      new DataView(message.buffer, message.byteOffset).setUint32(valueAt + 2, peerAsn);
    at = valueAt + (high | (message[valueAt - 1] ?? 0));
  }
}

/** At most `limit` of them, at equal distances in the file's order. */
function readPrefixes(limit: number): Prefix[] {
  const lines = gunzipSync(readFileSync(prefixFile)).toString().split(/\r?\n/);
  const step = Math.max(1, lines.length / limit);
  return Array.from({ length: Math.min(limit, lines.length) }, (_, i) =>
    parsePrefix((lines[Math.floor(i * step)] ?? '').trim()),
  ).flatMap((prefix) => (prefix.ok && isGlobal(prefix.value) ? [prefix.value] : []));
}

/** What every implementation takes: BIRD and FRR drop martians, and would never have all. */
function isGlobal({ family, bytes, length }: Prefix): boolean {
  const first = bytes[0] ?? 0;
  if (length < 8) return false;
  return family === 4 ? first > 0 && first !== 127 && first < 224 : first >> 5 === 1;
}

/** The attributes of the first feed's entries of the dump, in its order, at most `limit`. */
function readAttributes(limit: number): ReadonlyArray<{
  readonly key: string;
  readonly attributes: PathAttributes;
}> {
  const dump = execFileSync(
    'python3',
    ['-c', 'import bz2,sys; sys.stdout.buffer.write(bz2.open(sys.argv[1]).read())', dumpFile],
    { maxBuffer: 256 << 20 },
  );
  const byKey = new Map<string, PathAttributes>();
  const found: { key: string; attributes: PathAttributes }[] = [];
  for (const frame of readMrtFrames(dump)) {
    if (found.length >= limit) break;
    const record = frame.ok ? decodeMrtRecord(frame.value) : frame;
    if (!record.ok || record.value.kind !== 'rib') continue;
    const entry = record.value.entries[0];
    if (!entry) continue;
    const key = Buffer.from(entry.attributes).toString('latin1');
    let attributes = byKey.get(key);
    if (!attributes) {
      const decoded = decodeAttributes(new ByteReader(entry.attributes), {
        ...context,
        isInternal: false,
        acceptAsSets: true,
        isRibDump: true,
      });
      attributes = decoded.attributes;
      byKey.set(key, attributes);
    }
    found.push({ key, attributes });
  }
  return found;
}

/** As a neighbour would send it: its AS in front, no AS_SET (RFC 9774), no private AS (the receivers' own). */
function withPeer({ origin, asPath, communities, med }: PathAttributes): PathAttributes {
  const asns = (asPath ?? [])
    .filter(({ kind }) => kind === 'sequence')
    .flatMap((segment) => segment.asns.filter((asn) => asn < 64_496));
  return {
    origin: origin ?? 'igp',
    asPath: [{ kind: 'sequence', asns: [placeholderAsn, ...asns] }],
    ...(communities ? { communities } : {}),
    ...(med === undefined ? {} : { med }),
  };
}

function encodeGroup(group: {
  attributes: PathAttributes;
  family: 4 | 6;
  prefixes: readonly Prefix[];
}): Uint8Array[] {
  const { attributes, family } = group;
  const room = messageRoom - encodeAttributes(attributes, context).length;
  const messages: Uint8Array[] = [];
  let part: Prefix[] = [];
  let used = 0;
  const flush = () => {
    if (part.length === 0) return;
    const nlri = part.map((prefix) => ({ prefix }));
    messages.push(
      family === 4
        ? encodeUpdate(
            { withdrawn: [], announced: nlri, attributes: { ...attributes, nextHop: '10.98.0.1' } },
            context,
          )
        : encodeUpdate(
            {
              withdrawn: [],
              announced: [],
              attributes,
              mpReach: { family, nextHop: '2001:db8:98::1', nlri },
            },
            context,
          ),
    );
    part = [];
    used = 0;
  };
  for (const prefix of group.prefixes) {
    const length = nlriLength(prefix, false);
    if (used + length > room) flush();
    part.push(prefix);
    used += length;
  }
  flush();
  return messages;
}
