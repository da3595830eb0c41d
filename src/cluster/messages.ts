import { gunzipSync, gzipSync } from 'node:zlib';
import { err, ok, type Result } from '../core/base/result.ts';

/** Raised when the meaning of a message changes; a unit refuses what it does not know and names it. */
export const protocolVersion = 1;

/** An inflated message may not be larger than this: a hostile one must not exhaust memory. */
const messageBytesMax = 256 * 1024 * 1024;

export interface Message {
  readonly version: number;
  /** Unit that sent it. */
  readonly unit: string;
  readonly body: unknown;
}

export type MessageError =
  | { readonly code: 'unknown_version'; readonly version: unknown; readonly unit: unknown }
  | { readonly code: 'malformed'; readonly reason: string };

/** JSON, compressed: an observation of 10,000 blocks shrinks about tenfold. */
export function encodeMessage(unit: string, body: unknown): Uint8Array {
  const message: Message = { version: protocolVersion, unit, body };
  return gzipSync(JSON.stringify(message), { level: 1 });
}

export function decodeMessage(bytes: Uint8Array): Result<Message, MessageError> {
  let value: unknown;
  try {
    value = JSON.parse(gunzipSync(bytes, { maxOutputLength: messageBytesMax }).toString());
  } catch (error) {
    return err({
      code: 'malformed',
      reason: error instanceof Error ? error.message : String(error),
    });
  }
  if (typeof value !== 'object' || value === null || !('version' in value) || !('unit' in value)) {
    return err({ code: 'malformed', reason: 'no version or unit' });
  }
  const { version, unit } = value;
  if (version !== protocolVersion) return err({ code: 'unknown_version', version, unit });
  if (typeof unit !== 'string') return err({ code: 'malformed', reason: 'unit is not a text' });
  return ok({ version, unit, body: 'body' in value ? value.body : undefined });
}

/** The parts of `bytes`, each at most `partBytes` long; at least one, so that an empty value has a part too. */
export function splitBytes(bytes: Uint8Array, partBytes: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += partBytes)
    parts.push(bytes.subarray(at, at + partBytes));
  return parts;
}

export interface Part {
  readonly sender: string;
  /** Counts the sender's values; another one makes the unfinished one's missing parts worthless. */
  readonly serial: number;
  readonly index: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** Parts of one value: more than this is nobody's observation. */
const partsMax = 4096;

/**
 * Puts values together from parts that arrive in any order. Keeps one unfinished value per sender, so that a sender
 * that never finishes costs no more than one value; counts what it gave up.
 */
export class PartJoiner {
  abandoned = 0;
  refused = 0;
  readonly #unfinished = new Map<
    string,
    { serial: number; parts: Array<Uint8Array | undefined>; missing: number }
  >();

  /** The whole value when `part` was the last one missing. */
  add(part: Part): Uint8Array | undefined {
    const isSane =
      Number.isSafeInteger(part.serial) &&
      part.count >= 1 &&
      part.count <= partsMax &&
      part.index >= 0 &&
      part.index < part.count;
    if (!isSane) {
      this.refused++;
      return undefined;
    }
    let value = this.#unfinished.get(part.sender);
    // A lower number is as new: a sender that was started again counts from 1.
    if (value && value.serial !== part.serial) {
      this.abandoned++;
      value = undefined;
    }
    value ??= {
      serial: part.serial,
      parts: new Array<undefined>(part.count).fill(undefined),
      missing: part.count,
    };
    this.#unfinished.set(part.sender, value);
    if (part.count !== value.parts.length || value.parts[part.index]) return undefined;
    value.parts[part.index] = part.bytes;
    value.missing--;
    if (value.missing > 0) return undefined;
    this.#unfinished.delete(part.sender);
    return Buffer.concat(value.parts.filter((bytes) => bytes !== undefined));
  }
}
