/** What a dump of routes (MRT) says of our providers' distance to every network, kept small. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { ByteReader } from '../../core/base/bytes.ts';
import { HeadgateError } from '../../core/base/error.ts';
import { type Prefix, prefixOf } from '../../core/base/prefix.ts';
import type { PrefixText } from '../../core/base/units.ts';
import { hopsFrom } from '../../core/bgp/as-distance.ts';
import { AdjRibIn } from '../../core/bgp/rib/adj-rib-in.ts';
import { decodeAttributes } from '../../core/wire/bgp/attribute-decode.ts';
import { type AsPathSegment, originAs } from '../../core/wire/bgp/attributes.ts';
import { decodeMrtRecord, type MrtRibEntry, readMrtFrames } from '../../core/wire/mrt/decode.ts';

export interface DumpAnswer {
  /** By the order of the ASes asked for; undefined where no path in the dumps leads through that AS. */
  readonly hops: readonly (number | undefined)[];
  readonly origin: number | undefined;
}

/** Reading yields to everything else after so long. */
const sliceMs = 5;
/** In place of a number of hops. */
const noHops = 0xff;
const context = {
  as4: true,
  isInternal: false,
  addPath: { 4: false, 6: false },
  acceptAsSets: true,
  isRibDump: true,
} as const;

/**
 * Of each prefix the fewest hops from each of some ASes, and the origin: a few bytes, shared by all prefixes of the same
 * answer, in the table that holds BGP's routes too.
 */
export class PathDump {
  readonly #asns: readonly number[];
  readonly #table = new AdjRibIn();
  readonly #peer = this.#table.addPeer();
  /** Records that could not be read. */
  damaged = 0;
  prefixes = 0;

  constructor(asns: readonly number[]) {
    this.#asns = asns;
  }

  /** Takes in a file. Throws HeadgateError `dump_unreadable`. */
  async load(path: string): Promise<void> {
    const bytes = await readPlain(path);
    let startedAt = performance.now();
    for (const frame of readMrtFrames(bytes)) {
      const record = frame.ok ? decodeMrtRecord(frame.value) : frame;
      if (!record.ok) this.damaged++;
      else if (record.value.kind === 'rib') this.#take(record.value.prefix, record.value.entries);
      if (performance.now() - startedAt < sliceMs) continue;
      await new Promise((resolve) => setImmediate(resolve));
      startedAt = performance.now();
    }
  }

  /** What the longest prefix that covers this one says; undefined where none does. */
  find(prefix: PrefixText): DumpAnswer | undefined {
    const [longest] = this.#table.covering(prefixOf(prefix));
    return longest && this.#answerOf(longest);
  }

  #answerOf(prefix: Prefix): DumpAnswer | undefined {
    const [path] = this.#table.paths(prefix);
    if (!path) return undefined;
    const bytes = this.#table.attributes.bytesOf(path.attributes);
    const origin = new ByteReader(bytes.subarray(this.#asns.length)).u32();
    return {
      hops: this.#asns.map((_, i) => (bytes[i] === noHops ? undefined : bytes[i])),
      origin: origin === 0 ? undefined : origin,
    };
  }

  #take(prefix: Prefix, entries: readonly MrtRibEntry[]): void {
    // A default route says nothing of a network.
    if (prefix.length === 0) return;
    const before = this.#answerOf(prefix);
    const least = this.#asns.map((_, i) => before?.hops[i] ?? noHops);
    let origin = before?.origin;
    for (const { attributes } of entries) {
      const path = decodeAttributes(new ByteReader(attributes), context).attributes.asPath ?? [];
      origin ??= originAs(path);
      this.#shorten(least, path);
    }
    if (!before) this.prefixes++;
    const answer = new Uint8Array(this.#asns.length + 4);
    answer.set(least);
    new DataView(answer.buffer).setUint32(this.#asns.length, origin ?? 0);
    const number = this.#table.attributes.intern(answer, 0, answer.length, 0);
    this.#table.announce(prefix.family, prefix.bytes, 0, prefix.length, this.#peer, 0, number);
  }

  #shorten(least: number[], path: readonly AsPathSegment[]): void {
    for (const [i, asn] of this.#asns.entries()) {
      const hops = hopsFrom(path, asn);
      if (hops !== undefined && hops < (least[i] ?? noHops)) least[i] = hops;
    }
  }
}

/** A file, unpacked by its ending. Throws HeadgateError `dump_unreadable`. */
export async function readPlain(path: string): Promise<Uint8Array> {
  try {
    if (path.endsWith('.bz2')) {
      const options = { encoding: 'buffer', maxBuffer: 2 ** 31 - 1 } as const;
      return (await promisify(execFile)('bzip2', ['-dc', '--', path], options)).stdout;
    }
    const bytes = await readFile(path);
    return path.endsWith('.gz') ? await promisify(gunzip)(bytes) : bytes;
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new HeadgateError('dump_unreadable', `cannot read ${path}: ${what}`, { cause });
  }
}
