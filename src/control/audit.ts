/**
 * The audit log: one JSON object per line, each with the hash of the one before, so that what was written cannot be
 * changed or taken out without breaking the chain. The file is only ever appended to.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { HeadgateError } from '../core/base/error.ts';
import { err, ok, type Result } from '../core/base/result.ts';

/** What is told of one event; plain JSON. */
export interface AuditEvent {
  /** `read`: commands that change nothing, of a while; `gap`: records before this one are lost. */
  readonly what: 'start' | 'stop' | 'command' | 'read' | 'reload' | 'announce' | 'gap';
  /** `lena (uid 1000, pid 4711)`, or `the unit` for what it did by itself. */
  readonly who: string;
  /** The reason that was given, or that the decision has. */
  readonly why?: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

export interface AuditRecord extends AuditEvent {
  /** From 1, without gaps. */
  readonly n: number;
  /** RFC 3339, UTC. */
  readonly at: string;
  /** The write before this one was cut, as by a power failure: a line without meaning stands between. */
  readonly torn?: true;
  /** So many events before this one have no record: the disk refused them. */
  readonly lost?: number;
  /** Hash of the record before; of the first record zeros. */
  readonly prev: string;
  /** SHA-256 of this record's JSON without `hash`, in hexadecimal. */
  readonly hash: string;
}

/** The end of the chain: what must be at the end of the file. */
export interface AuditHead {
  readonly n: number;
  readonly hash: string;
}

export interface AuditFault {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

const beginning: AuditHead = { n: 0, hash: '0'.repeat(64) };
/** Longer than any record: announcements of more blocks are told by their number. */
const tailBytes = 262_144;

export class AuditLog {
  readonly path: string;
  readonly #file: number;
  #end: End;
  /** Records that the disk refused and no later record tells of. */
  missing = 0;
  /** All records that the disk refused. */
  lost = 0;

  /** Goes on where the file ends. Throws HeadgateError `audit_failed`. */
  constructor(path: string) {
    this.path = path;
    try {
      mkdirSync(dirname(path), { recursive: true });
      this.#file = openSync(path, 'a+', 0o640);
      this.#end = readEnd(this.#file);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new HeadgateError(
        'audit_failed',
        `cannot keep the audit log ${path}: ${reason}; set control.audit to a place that can be written`,
        { cause },
      );
    }
  }

  get head(): AuditHead {
    return this.#end.head;
  }

  /** Writes and syncs: what was told to have happened is on the disk before it is told to anybody else. */
  append(at: number, event: AuditEvent): void {
    const { head, tail } = this.#end;
    const plain = {
      n: head.n + 1,
      at: new Date(at).toISOString(),
      ...event,
      ...(tail === 'torn' ? { torn: true as const } : {}),
      ...(this.missing > 0 ? { lost: this.missing } : {}),
      prev: head.hash,
    };
    const hash = hashOf(plain);
    // A line feed of its own ends what an earlier write left unfinished.
    const line = `${tail === 'clean' ? '' : '\n'}${JSON.stringify({ ...plain, hash })}\n`;
    try {
      const bytes = Buffer.from(line);
      if (writeSync(this.#file, bytes) < bytes.length) throw new Error('short write');
      fdatasyncSync(this.#file);
      this.#end = { head: { n: plain.n, hash }, tail: 'clean' };
      this.missing = 0;
    } catch {
      // A gap that cannot be told of is no event that is lost.
      if (event.what !== 'gap') {
        this.missing++;
        this.lost++;
      }
      // The file says how much of it there is now.
      this.#end = readEnd(this.#file);
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** The records of a file, oldest first, and how many writes were cut; or the first line that breaks the chain. */
export function verifyAudit(
  text: string,
): Result<{ readonly records: readonly AuditRecord[]; readonly torn: number }, AuditFault> {
  const records: AuditRecord[] = [];
  let head = beginning;
  let torn = 0;
  let unread: number | undefined;
  const lines = text.split('\n');
  for (const [i, line] of lines.entries()) {
    if (line === '') continue;
    const record = parseRecord(line);
    if (!record) {
      // Only a cut write may be unreadable, and the next record says that there was one.
      if (unread !== undefined) return err({ line: i + 1, message: 'no record' });
      unread = i + 1;
      continue;
    }
    const complaint = broken(record, head);
    if (complaint !== undefined) return err({ line: i + 1, message: complaint });
    if (unread !== undefined && !record.torn) return err({ line: unread, message: 'no record' });
    if (record.torn) torn++;
    unread = undefined;
    head = record;
    records.push(record);
  }
  if (unread !== undefined) {
    // The very end may be a write that was cut just now.
    if (unread !== lines.length) return err({ line: unread, message: 'no record' });
    torn++;
  }
  return ok({ records, torn });
}

/** Reads a log file. Throws HeadgateError `no_audit`. */
export function readAudit(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HeadgateError('no_audit', `cannot read the audit log: ${reason}`, { cause });
  }
}

function broken(record: AuditRecord, before: AuditHead): string | undefined {
  const { hash, ...plain } = record;
  if (hashOf(plain) !== hash) return `record ${record.n} was changed: its hash is another`;
  if (record.n !== before.n + 1) return `record ${before.n + 1} is missing; found ${record.n}`;
  if (record.prev !== before.hash) return `record ${record.n} does not follow the one before it`;
  return undefined;
}

const hashOf = (plain: object): string =>
  createHash('sha256').update(JSON.stringify(plain)).digest('hex');

function parseRecord(line: string): AuditRecord | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null) return undefined;
    const { n, hash, prev } = value as Partial<AuditRecord>;
    if (typeof n !== 'number' || typeof hash !== 'string' || typeof prev !== 'string') {
      return undefined;
    }
    // A cast: the hash, which is compared next, covers every other field.
    return value as AuditRecord;
  } catch {
    return undefined;
  }
}

interface End {
  readonly head: AuditHead;
  /** What follows the last record: a line feed (or nothing at all), no line feed, or bytes that are no record. */
  readonly tail: 'clean' | 'unended' | 'torn';
}

function readEnd(file: number): End {
  const { size } = fstatSync(file);
  const from = Math.max(0, size - tailBytes);
  const bytes = Buffer.alloc(size - from);
  readSync(file, bytes, 0, bytes.length, from);
  const lines = bytes.toString('utf8').split('\n');
  let tail: End['tail'] = lines.at(-1) === '' ? 'clean' : 'unended';
  for (const line of lines.reverse()) {
    if (line === '') continue;
    const record = parseRecord(line);
    if (record) return { head: { n: record.n, hash: record.hash }, tail };
    tail = 'torn';
  }
  return { head: beginning, tail: size > 0 ? 'torn' : 'clean' };
}
