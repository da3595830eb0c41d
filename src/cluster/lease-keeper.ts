import { randomUUID } from 'node:crypto';
import { type Bucket, BusError, type ClusterClock, type Entry } from './bus.ts';
import { initialLease, isLeader, type LeaseEvent, type LeaseState, stepLease } from './lease.ts';

const key = 'leader';
/** Per lease: a request without an answer by then is asked after, and another one may be sent. */
const answersPerLease = 3;
const patienceMinMs = 100;

interface KeeperOptions {
  readonly unit: string;
  readonly leaseMs: number;
  readonly clock: ClusterClock;
  /** Undefined while there is no connection. */
  readonly bucket: () => Bucket | undefined;
  readonly count: (name: string) => void;
  /** Something is known that was not. */
  readonly onChange: () => void;
}

/**
 * Asks for the lease and renews it: the requests around `stepLease`. Each writes who sent it and as which attempt, so
 * that one whose answer is late or lost is known for what it is when it shows in the bucket: a NATS that takes longer to
 * answer than a third of the lease still lets one unit lead.
 */
export class LeaseKeeper {
  readonly #options: KeeperOptions;
  /** Of this process: one before it may have left its entry behind. */
  readonly #sender: string;
  #state: LeaseState = initialLease;
  #attempts = 0;
  #isReleased = false;
  /** When those were sent of which it is not known whether they were stored. */
  readonly #unknown = new Map<number, number>();

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#sender = `${options.unit} ${randomUUID()}`;
  }

  get fence(): number {
    return this.#state.fence;
  }

  holds(): boolean {
    return isLeader(this.#state, this.#options.clock.now());
  }

  /**
   * Called several times per lease. While another is heard to lead the lease is not asked for: a request that is refused
   * goes through the log of all NATS nodes like one that is taken.
   */
  tick(isLedByAnother: boolean): void {
    const { clock, leaseMs, bucket } = this.#options;
    const lease = bucket();
    if (!lease || this.#isReleased) return;
    const now = clock.now();
    // What was stored then has run out by now.
    for (const [attempt, sentAtMs] of this.#unknown)
      if (now - sentAtMs > leaseMs) this.#unknown.delete(attempt);
    const { state, action } = stepLease(this.#state, { kind: 'tick' }, now, leaseMs);
    if (isLedByAnother && action.kind === 'create') return;
    this.#state = state;
    if (action.kind === 'none') return;
    const attempt = ++this.#attempts;
    const value = Buffer.from(`${this.#sender} ${attempt}`);
    this.#unknown.set(attempt, now);
    const answer =
      action.kind === 'create'
        ? lease.create(key, value)
        : lease.update(key, value, action.revision);
    this.#await(answer, attempt, now);
  }

  /** Another unit leads by now. */
  refuse(): void {
    this.#on({ kind: 'refused' });
  }

  /** Gives it back, so that a successor need not wait for it to run out; failing to costs only that wait. */
  async release(): Promise<void> {
    const { revision } = this.#state;
    const { bucket, count } = this.#options;
    if (this.holds() && revision !== undefined)
      await bucket()
        ?.remove(key, revision)
        .catch(() => count('release_failed'));
    this.#on({ kind: 'released' });
    // An answer that comes now is to nobody.
    this.#isReleased = true;
  }

  #await(answer: Promise<number>, attempt: number, sentAtMs: number): void {
    const { clock, count } = this.#options;
    const cancel = clock.after(this.#patienceMs(), () => {
      count('lease_unanswered');
      void this.#look('unanswered');
    });
    answer.then(
      (revision) => {
        cancel();
        this.#unknown.delete(attempt);
        // However late: it counts from when it was sent.
        this.#on({ kind: 'written', sentAtMs, revision });
      },
      (error: unknown) => {
        cancel();
        const isRefused = error instanceof BusError && error.code === 'wrong_revision';
        if (isRefused) this.#unknown.delete(attempt);
        // Refused by whom? Perhaps by an attempt of our own that was not answered.
        if (isRefused && this.#unknown.size === 0) this.#on({ kind: 'refused' });
        else void this.#look(isRefused ? 'refused' : 'unanswered');
      },
    );
  }

  async #look(otherwise: 'refused' | 'unanswered'): Promise<void> {
    const found = await this.#read();
    const attempt = found && this.#attemptOf(found);
    const sentAtMs = attempt === undefined ? undefined : this.#unknown.get(attempt);
    if (found && attempt !== undefined && sentAtMs !== undefined) {
      this.#unknown.delete(attempt);
      this.#on({ kind: 'written', sentAtMs, revision: found.revision });
    } else this.#on({ kind: found && attempt === undefined ? otherwise : 'unanswered' });
  }

  /** Undefined where there is none, or no answer. */
  #read(): Promise<Entry | undefined> {
    const { bucket, clock } = this.#options;
    return new Promise((resolve) => {
      const cancel = clock.after(this.#patienceMs(), () => resolve(undefined));
      (bucket()?.get(key) ?? Promise.resolve(undefined))
        .catch(() => undefined)
        .then(resolve)
        .finally(cancel);
    });
  }

  /** Which of our attempts an entry is; undefined for somebody else's. */
  #attemptOf({ value }: Entry): number | undefined {
    const [, sender, attempt] = /^(.*) (\d+)$/.exec(Buffer.from(value).toString()) ?? [];
    return sender === this.#sender ? Number(attempt) : undefined;
  }

  #patienceMs(): number {
    return Math.max(patienceMinMs, this.#options.leaseMs / answersPerLease);
  }

  #on(event: LeaseEvent): void {
    const { clock, leaseMs, onChange } = this.#options;
    if (this.#isReleased) return;
    this.#state = stepLease(this.#state, event, clock.now(), leaseMs).state;
    onChange();
  }
}
