import { createHash } from 'node:crypto';
import { err, ok, type Result } from '../core/base/result.ts';
import { type Bucket, BusError, type Entry } from './bus.ts';
import { decodeMessage, encodeMessage, splitBytes } from './messages.ts';
import { reasonOf } from './reason.ts';

/** Names one whole plan; written last, so that whoever reads it finds every chunk in place. */
interface Commit {
  /** Lease revision of the leader that put its fence here: a lower one than was seen before is a late ex-leader's. */
  readonly fence: number;
  /** Which plan; of a fence before where a leader has taken over and not decided yet. */
  readonly plan: PlanMark;
  /** What the chunks' keys begin with. */
  readonly place: string;
  readonly chunks: number;
  readonly sha256: string;
}

export type PublishError =
  | PlanStoreError
  /** Units that are heard but did not say in time that they have it: nobody goes by it. */
  | { readonly code: 'unconfirmed'; readonly units: readonly string[] };

export type PlanStoreError =
  /** A later leader has put its fence there. */
  | { readonly code: 'superseded'; readonly fence: number }
  | { readonly code: 'incomplete'; readonly reason: string }
  /** Of a write: it may have been stored or not; what is stored says so. */
  | { readonly code: 'unreachable'; readonly reason: string };

/** Which plan: the fence of the leader that decided it, and its number among that leader's. */
export interface PlanMark {
  readonly fence: number;
  readonly serial: number;
}

export interface StoredPlan extends PlanMark {
  /** Unit that decided it. */
  readonly unit: string;
  readonly body: unknown;
}

/** Of two plans the one with the later fence is the later, of one fence the one with the later serial. */
export const isLater = (a: PlanMark, b: PlanMark | undefined): boolean =>
  b === undefined || a.fence > b.fence || (a.fence === b.fence && a.serial > b.serial);

export const isSamePlan = (a: PlanMark, b: PlanMark | undefined): boolean =>
  a.fence === b?.fence && a.serial === b.serial;

/** What taking over gave: the fence that is on the plan in force now, and that plan where there is one. */
export interface Taken {
  readonly fence: number;
  readonly found?: Result<StoredPlan, PlanStoreError>;
}

type Kept = { readonly commit: Commit; readonly revision: number };

/** Below NATS's default payload limit of 1 MiB, with room for subject and headers. */
const chunkBytes = 512 * 1024;
const commitKey = 'commit';
const chunkPrefix = 'chunk.';

/** The plan in force, in a key-value bucket: chunks first, the commit record last and by compare-and-set. */
export class PlanStore {
  readonly #bucket: Bucket;
  readonly #unit: string;
  #serial = 0;
  /** The record that our next one replaces; undefined before `take`, null where there is none yet. */
  #base: Kept | null | undefined;
  /** Where the plan is that was found when taking over: it may still be read. */
  #inherited = '';

  constructor(bucket: Bucket, unit: string) {
    this.#bucket = bucket;
    this.#unit = unit;
  }

  /**
   * Puts the fence of a new leader on the plan in force, by compare-and-set: from then on no write of an earlier leader
   * is taken, so that what is given here stays what is stored until the new leader writes. A later fence than one's own is
   * there when another has taken over since, or when the lease's bucket was lost and counts anew: who still `holds` the
   * lease then goes on from that fence.
   */
  async take(lease: number, holds: () => boolean): Promise<Result<Taken, PlanStoreError>> {
    this.#base = undefined;
    this.#serial = 0;
    try {
      const kept = await this.#record();
      if (!kept) {
        this.#base = null;
        return ok({ fence: lease });
      }
      const found = kept.commit.fence;
      if (found > lease && !holds()) return err({ code: 'superseded', fence: found });
      const fence = found > lease ? found + 1 : lease;
      this.#inherited = kept.commit.place;
      const commit = { ...kept.commit, fence };
      const revision = await this.#bucket.update(commitKey, bytesOf(commit), kept.revision);
      this.#base = { commit, revision };
      return ok({ fence, found: await this.#readBody(commit) });
    } catch (error) {
      return err({ code: 'unreachable', reason: reasonOf(error) });
    }
  }

  /** Stores `body` as the plan of the leader that took over with `fence`, unless a later leader has. */
  async write(fence: number, body: unknown): Promise<Result<StoredPlan, PlanStoreError>> {
    const serial = ++this.#serial;
    try {
      const base = this.#base === undefined ? await this.#rebase(fence) : ok(this.#base);
      if (!base.ok) return base;
      const bytes = encodeMessage(this.#unit, body);
      const chunks = splitBytes(bytes, chunkBytes);
      // Two places in turn: whoever reads the plan before this one finds it whole for another cycle.
      const place = `${chunkPrefix}${fence}.${serial % 2}`;
      for (const [index, chunk] of chunks.entries())
        await this.#bucket.put(`${place}.${index}`, chunk);
      const plan = { fence, serial };
      const commit = { fence, plan, place, chunks: chunks.length, sha256: digest(bytes) };
      const record = bytesOf(commit);
      // Whatever becomes of this request, what is stored is not known until it is answered.
      this.#base = undefined;
      const revision = base.value
        ? await this.#bucket.update(commitKey, record, base.value.revision)
        : await this.#bucket.create(commitKey, record);
      this.#base = { commit, revision };
      return ok({ unit: this.#unit, fence, serial, body });
    } catch (error) {
      if (error instanceof BusError && error.code === 'wrong_revision')
        return this.#whoWrote(fence, error);
      return err({ code: 'unreachable', reason: reasonOf(error) });
    }
  }

  /**
   * Removes the chunks of leaders before the one of `fence` that nobody reads any more; those that are left are removed
   * when the next one takes over. However late it ends, it touches nothing of a later leader. Rejects with BusError.
   */
  async sweep(fence: number): Promise<void> {
    const inherited = this.#inherited;
    const keys = await this.#bucket.keys(chunkPrefix);
    const stale = keys.filter((key) => {
      const [, of] = key.split('.');
      return Number(of) < fence && !key.startsWith(`${inherited}.`);
    });
    for (const key of stale) await this.#bucket.remove(key);
  }

  async read(): Promise<Result<StoredPlan | undefined, PlanStoreError>> {
    try {
      const kept = await this.#record();
      return kept ? await this.#readBody(kept.commit) : ok(undefined);
    } catch (error) {
      return err({ code: 'unreachable', reason: reasonOf(error) });
    }
  }

  /** After a write whose answer was lost: what is stored, if it is still ours to replace. */
  async #rebase(fence: number): Promise<Result<Kept | null, PlanStoreError>> {
    const kept = await this.#record();
    if (kept && kept.commit.fence !== fence)
      return err({ code: 'superseded', fence: kept.commit.fence });
    return ok(kept ?? null);
  }

  async #whoWrote(fence: number, error: BusError): Promise<Result<never, PlanStoreError>> {
    const found = (await this.#record().catch(() => undefined))?.commit.fence;
    return found !== undefined && found !== fence
      ? err({ code: 'superseded', fence: found })
      : err({ code: 'unreachable', reason: error.message });
  }

  async #record(): Promise<Kept | undefined> {
    const entry = await this.#bucket.get(commitKey);
    return entry && { commit: commitOf(entry), revision: entry.revision };
  }

  async #readBody(commit: Commit): Promise<Result<StoredPlan, PlanStoreError>> {
    const { plan, place } = commit;
    const chunks: Uint8Array[] = [];
    for (let index = 0; index < commit.chunks; index++) {
      const chunk = await this.#bucket.get(`${place}.${index}`);
      if (!chunk)
        return err({ code: 'incomplete', reason: `chunk ${index} of ${commit.chunks} is gone` });
      chunks.push(chunk.value);
    }
    const bytes = Buffer.concat(chunks);
    if (digest(bytes) !== commit.sha256)
      return err({ code: 'incomplete', reason: 'digest differs' });
    const message = decodeMessage(bytes);
    if (!message.ok) return err({ code: 'incomplete', reason: JSON.stringify(message.error) });
    return ok({ unit: message.value.unit, ...plan, body: message.value.body });
  }
}

const bytesOf = (commit: Commit): Uint8Array => Buffer.from(JSON.stringify(commit));

// A cast: written by us or a peer of ours that authenticated; a wrong shape shows in the digest.
const commitOf = ({ value }: Entry): Commit => JSON.parse(Buffer.from(value).toString()) as Commit;

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
