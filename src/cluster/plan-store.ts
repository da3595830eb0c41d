import { createHash } from 'node:crypto';
import type { KV } from '@nats-io/kv';
import { err, ok, type Result } from '../core/base/result.ts';
import { decodeMessage, encodeMessage, splitBytes } from './messages.ts';

/** Names one whole plan; written last, so that whoever reads it finds every chunk in place. */
interface Commit {
  /** Lease revision of the leader that wrote it: a lower one than was seen before is a late ex-leader's. */
  readonly fence: number;
  /** Counts the commits of one fence. */
  readonly serial: number;
  readonly chunks: number;
  readonly sha256: string;
}

export type PlanStoreError =
  | { readonly code: 'superseded'; readonly fence: number }
  | { readonly code: 'incomplete'; readonly reason: string }
  | { readonly code: 'unreachable'; readonly reason: string };

export interface StoredPlan {
  readonly unit: string;
  readonly fence: number;
  readonly serial: number;
  readonly body: unknown;
}

/** Below NATS's default payload limit of 1 MiB, with room for subject and headers. */
const chunkBytes = 512 * 1024;

/** The plan in force, in a key-value bucket: chunks first, the commit record last and by compare-and-set. */
export class PlanStore {
  readonly #bucket: KV;
  readonly #unit: string;
  #serial = 0;
  #last: { readonly fence: number; readonly serial: number; readonly chunks: number } | undefined;

  constructor(bucket: KV, unit: string) {
    this.#bucket = bucket;
    this.#unit = unit;
  }

  /** Stores `body` as the plan of the leader with `fence`, unless a later leader has written already. */
  async write(fence: number, body: unknown): Promise<Result<StoredPlan, PlanStoreError>> {
    const serial = ++this.#serial;
    try {
      const bytes = encodeMessage(this.#unit, body);
      const chunks = splitBytes(bytes, chunkBytes);
      for (const [index, chunk] of chunks.entries())
        await this.#bucket.put(chunkKey(fence, serial, index), chunk);
      const commit: Commit = { fence, serial, chunks: chunks.length, sha256: digest(bytes) };
      const committed = await this.#commit(commit);
      if (!committed.ok) return committed;
      await this.#dropPrevious({ fence, serial, chunks: chunks.length });
      return ok({ unit: this.#unit, fence, serial, body });
    } catch (error) {
      return err({ code: 'unreachable', reason: reasonOf(error) });
    }
  }

  async read(): Promise<Result<StoredPlan | undefined, PlanStoreError>> {
    try {
      const entry = await this.#bucket.get('commit');
      if (entry?.operation !== 'PUT') return ok(undefined);
      // Written by us or a peer of ours that authenticated; a wrong shape shows in the digest.
      const commit = entry.json<Commit>();
      const chunks: Uint8Array[] = [];
      for (let index = 0; index < commit.chunks; index++) {
        const chunk = await this.#bucket.get(chunkKey(commit.fence, commit.serial, index));
        if (chunk?.operation !== 'PUT')
          return err({ code: 'incomplete', reason: `chunk ${index} of ${commit.chunks} is gone` });
        chunks.push(chunk.value);
      }
      const bytes = Buffer.concat(chunks);
      if (digest(bytes) !== commit.sha256)
        return err({ code: 'incomplete', reason: 'digest differs' });
      const message = decodeMessage(bytes);
      if (!message.ok) return err({ code: 'incomplete', reason: JSON.stringify(message.error) });
      return ok({
        unit: message.value.unit,
        fence: commit.fence,
        serial: commit.serial,
        body: message.value.body,
      });
    } catch (error) {
      return err({ code: 'unreachable', reason: reasonOf(error) });
    }
  }

  async #commit(commit: Commit): Promise<Result<void, PlanStoreError>> {
    const current = await this.#bucket.get('commit');
    const text = JSON.stringify(commit);
    if (current === null) {
      await this.#bucket.create('commit', text);
      return ok(undefined);
    }
    const seen = current.operation === 'PUT' ? current.json<Commit>() : undefined;
    if (seen && seen.fence > commit.fence) return err({ code: 'superseded', fence: seen.fence });
    // Fails when anybody wrote in between: then the caller asks the lease again and comes back.
    await this.#bucket.update('commit', text, current.revision);
    return ok(undefined);
  }

  /** The chunks of our commit before the last one: a reader of the last but one has had a whole cycle to finish. */
  async #dropPrevious(written: { fence: number; serial: number; chunks: number }): Promise<void> {
    const previous = this.#last;
    this.#last = written;
    if (!previous) return;
    for (let index = 0; index < previous.chunks; index++) {
      await this.#bucket.purge(chunkKey(previous.fence, previous.serial, index));
    }
  }
}

function chunkKey(fence: number, serial: number, index: number): string {
  return `chunk.${fence}.${serial}.${index}`;
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
