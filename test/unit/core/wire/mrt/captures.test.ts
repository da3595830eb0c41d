/** Every MRT file of the captures decodes to the counts that independent tools read from it. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { ByteReader } from '../../../../../src/core/base/bytes.ts';
import { formatPrefix } from '../../../../../src/core/base/prefix.ts';
import { decodeAttributes } from '../../../../../src/core/wire/bgp/attribute-decode.ts';
import { messageType } from '../../../../../src/core/wire/bgp/codes.ts';
import type { Nlri } from '../../../../../src/core/wire/bgp/nlri.ts';
import { decodeUpdate } from '../../../../../src/core/wire/bgp/update.ts';
import {
  decodeMrtRecord,
  type MrtRecord,
  readMrtFrames,
} from '../../../../../src/core/wire/mrt/decode.ts';
import { encodeMrtMessage, encodeMrtState } from '../../../../../src/core/wire/mrt/encode.ts';
import { capturesFolder, skipWithoutCaptures } from '../../../../support/captures.ts';

interface Reference {
  readonly mrt_records: number;
  readonly records_by_type_subtype: Readonly<Record<string, number>>;
  readonly rib_entries: number;
  readonly distinct_v4_prefixes: number;
  readonly distinct_v6_prefixes: number;
  readonly bgp_messages: Readonly<Record<string, number>>;
  readonly announced_v4_nlri: number;
  readonly withdrawn_v4_nlri: number;
  readonly extra: { readonly mp_reach_v6?: number; readonly mp_unreach_v6?: number };
  readonly ends_mid_record: boolean;
}

interface Entry {
  readonly file: string;
  readonly kind: string;
  readonly reference: { readonly mrt?: Reference };
}

const isLong = process.env.HEADGATE_LONG === '1';
/** Of the large dump every so many entries' attributes are decoded, all of them in the long run. */
const sampleEvery = isLong ? 1 : 16;
t.setTimeout(240_000);

const entries = (): readonly Entry[] => {
  const text = readFileSync(`${capturesFolder}/MANIFEST.json`, 'utf8');
  // The cast: the manifest's format is stated in the captures' own README.
  const manifest = JSON.parse(text) as { readonly entries: readonly Entry[] };
  return manifest.entries.filter(({ kind }) => kind === 'mrt');
};

function readDump(file: string): Uint8Array {
  const path = `${capturesFolder}/${file}`;
  if (file.endsWith('.gz')) return gunzipSync(readFileSync(path));
  if (!file.endsWith('.bz2')) return readFileSync(path);
  return execFileSync(
    'python3',
    ['-c', 'import bz2,sys; sys.stdout.buffer.write(bz2.open(sys.argv[1]).read())', path],
    {
      maxBuffer: 256 << 20,
    },
  );
}

class Tally {
  readonly records: Record<string, number> = {};
  readonly messages: Record<string, number> = {};
  readonly prefixes = { 4: new Set<string>(), 6: new Set<string>() };
  ribEntries = 0;
  announced4 = 0;
  withdrawn4 = 0;
  reach6 = 0;
  unreach6 = 0;
  flaws = 0;
  failures: string[] = [];
  endsMidRecord = false;

  see(nlri: readonly Nlri[]): number {
    for (const { prefix } of nlri) this.prefixes[prefix.family].add(formatPrefix(prefix));
    return nlri.length;
  }
}

const messageNames: Readonly<Record<number, string>> = {
  [messageType.open]: 'open',
  [messageType.update]: 'update',
  [messageType.notification]: 'notification',
  [messageType.keepalive]: 'keepalive',
  [messageType.routeRefresh]: 'refresh',
};

/** BIRD 1 wrote messages of sessions with add-path under the plain subtype: only the file's name tells. */
const isAddPathUnsaid = (file: string): boolean => /mrtparse-bird6?_bgp$/.test(file);

/**
 * Where we differ from the references, by name: in these files their reader took path identifiers for prefixes
 * (0.0.0.0/0 many times); the OPENs in it agree on add-path, and 3 + 3 + 1 prefixes come in twice.
 */
const corrections: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'data/mrtparse-bird_bgp': { ipv4: 4, announced: 14 },
  'data/mrtparse-bird6_bgp': { ipv6: 4, reach: 14 },
  // After its one prefix comes the octet 0b: a prefix of 11 bits that is not there. Its reader passed over it;
  // RFC 4271 section 6.3 resets the session.
  'data/bgpdump-updates.nlri_mask_trailing_bits.gz': {
    ipv4: 0,
    announced: 0,
    failures: ['nlri_short at 59'],
  },
};

function tally(bytes: Uint8Array, file: string): Tally {
  const sum = new Tally();
  for (const frame of readMrtFrames(bytes)) {
    if (!frame.ok) {
      sum.endsMidRecord = true;
      break;
    }
    const key = `${frame.value.type}/${frame.value.subtype}`;
    sum.records[key] = (sum.records[key] ?? 0) + 1;
    const record = decodeMrtRecord(frame.value);
    if (record.ok) count(record.value, sum, isAddPathUnsaid(file));
    else sum.failures.push(`${record.error.code} at ${record.error.offset}`);
  }
  return sum;
}

function count(record: MrtRecord, sum: Tally, forcePathIds: boolean): void {
  const message = (name: string) => {
    sum.messages[name] = (sum.messages[name] ?? 0) + 1;
  };
  if (record.kind === 'state') message('state');
  if (record.kind === 'rib') {
    sum.see([{ prefix: record.prefix }]);
    for (const { attributes } of record.entries) {
      if (sum.ribEntries++ % sampleEvery !== 0) continue;
      const context = {
        as4: true,
        isInternal: true,
        addPath: none,
        acceptAsSets: true,
        isRibDump: true,
      };
      const { errors } = decodeAttributes(new ByteReader(attributes), context);
      sum.flaws += errors.filter(({ reaction }) => reaction !== 'discard_attribute').length;
    }
  }
  if (record.kind !== 'message') return;
  const type = record.bytes[18] ?? 0;
  message(messageNames[type] ?? 'unknown');
  if (type !== messageType.update) return;
  const { as4, bytes } = record;
  const hasPathIds = record.hasPathIds || forcePathIds;
  const addPath = { 4: hasPathIds, 6: hasPathIds };
  const decoded = decodeUpdate(bytes, { as4, isInternal: false, addPath, acceptAsSets: true });
  if (!decoded.ok) {
    sum.failures.push(`${decoded.error.code} at ${decoded.error.offset}`);
    return;
  }
  const { update } = decoded.value;
  sum.announced4 += sum.see(update.announced);
  // The references count as distinct what was announced.
  sum.withdrawn4 += update.withdrawn.length;
  if (update.mpReach) sum.reach6 += sum.see(update.mpReach.nlri);
  if (update.mpUnreach) sum.unreach6 += update.mpUnreach.nlri.length;
}

const none = { 4: false, 6: false };

t.test(
  'dumps decode to the counts of their references',
  { skip: skipWithoutCaptures },
  async (t) => {
    for (const { file, reference } of entries()) {
      const wanted = reference.mrt;
      if (!wanted || !existsSync(`${capturesFolder}/${file}`)) continue;
      const sum = tally(readDump(file), file);
      t.same(
        {
          records: sum.records,
          entries: sum.ribEntries,
          ipv4: sum.prefixes[4].size,
          ipv6: sum.prefixes[6].size,
          messages: sum.messages,
          announced: sum.announced4,
          withdrawn: sum.withdrawn4,
          reach: sum.reach6,
          unreach: sum.unreach6,
          failures: sum.failures,
          flaws: sum.flaws,
          endsMidRecord: sum.endsMidRecord,
        },
        {
          records: wanted.records_by_type_subtype,
          entries: wanted.rib_entries,
          ipv4: wanted.distinct_v4_prefixes,
          ipv6: wanted.distinct_v6_prefixes,
          messages: wanted.bgp_messages,
          announced: wanted.announced_v4_nlri,
          withdrawn: wanted.withdrawn_v4_nlri,
          reach: wanted.extra.mp_reach_v6 ?? 0,
          unreach: wanted.extra.mp_unreach_v6 ?? 0,
          failures: [],
          flaws: 0,
          endsMidRecord: wanted.ends_mid_record,
          ...corrections[file],
        },
        file,
      );
    }
  },
);

t.test('a dump cut anywhere gives its whole records and then one error', async (t) => {
  const ends = {
    peerAsn: 65001,
    localAsn: 64512,
    peerAddress: '10.0.0.1',
    localAddress: '10.0.0.9',
  };
  const time = { timestampS: 1_700_000_000, microseconds: 123_456 };
  const form = { as4: true, hasPathIds: false };
  const keepalive = Uint8Array.from([...new Array<number>(16).fill(0xff), 0, 19, 4]);
  const records = [
    encodeMrtState(time, ends, 1, 2),
    encodeMrtMessage(time, ends, keepalive, form),
    encodeMrtMessage(
      time,
      { ...ends, peerAddress: '2001:db8::1', localAddress: '2001:db8::9' },
      keepalive,
      form,
    ),
  ];
  const dump = Buffer.concat(records);
  const decoded = [...readMrtFrames(dump)].map((frame) => frame.ok && decodeMrtRecord(frame.value));
  t.match(decoded, [
    { ok: true, value: { kind: 'state', peer: ends, from: 1, to: 2 } },
    { ok: true, value: { kind: 'message', peer: ends, as4: true, bytes: keepalive } },
    { ok: true, value: { kind: 'message', peer: { peerAddress: '2001:db8::1' } } },
  ]);
  let end = 0;
  const boundaries = records.map((record) => {
    end += record.length;
    return end;
  });
  for (let length = 1; length < dump.length; length++) {
    const frames = [...readMrtFrames(dump.subarray(0, length))];
    const whole = frames.filter((frame) => frame.ok).length;
    t.equal(whole, boundaries.filter((boundary) => boundary <= length).length);
    t.equal(frames.length - whole, boundaries.includes(length) ? 0 : 1);
  }
});
