import fc from 'fast-check';
import t from 'tap';
import { initialLease, isLeader, type LeaseState, stepLease } from '../../../src/cluster/lease.ts';

const ttlMs = 1000;

/** The bucket as the server keeps it: one entry that lives `ttlMs` from when it was stored. */
class Server {
  #entry: { readonly revision: number; readonly untilMs: number } | undefined;
  #revision = 0;

  write(nowMs: number, expected: number | undefined): number | undefined {
    const current = this.#entry && nowMs < this.#entry.untilMs ? this.#entry.revision : undefined;
    if (current !== expected) return undefined;
    this.#revision++;
    this.#entry = { revision: this.#revision, untilMs: nowMs + ttlMs };
    return this.#revision;
  }
}

interface Pending {
  readonly unit: number;
  readonly sentAtMs: number;
  readonly storesAtMs: number;
  readonly answersAtMs: number;
  readonly expected: number | undefined;
  outcome: number | 'refused' | undefined;
}

t.test('two units never lead at once, whatever the delays, pauses and lost answers', async () => {
  const step = fc.record({
    delayMs: fc.integer({ min: 0, max: 900 }),
    answerMs: fc.integer({ min: 0, max: 900 }),
    isLost: fc.boolean(),
    isStopped: fc.nat({ max: 9 }).map((n) => n === 0),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 60, maxLength: 60 }), (steps) => {
      const server = new Server();
      const leases: LeaseState[] = [initialLease, initialLease, initialLease];
      const stoppedUntil = [0, 0, 0];
      let requests: Pending[] = [];
      let used = 0;
      for (let nowMs = 0; nowMs < 20_000; nowMs += 50) {
        for (const request of requests) {
          if (request.outcome === undefined && nowMs >= request.storesAtMs) {
            request.outcome = server.write(nowMs, request.expected) ?? 'refused';
          }
          if (request.outcome === undefined || nowMs < request.answersAtMs) continue;
          const lease = leases[request.unit] ?? initialLease;
          const event =
            request.outcome === 'refused'
              ? ({ kind: 'refused' } as const)
              : ({
                  kind: 'written',
                  sentAtMs: request.sentAtMs,
                  revision: request.outcome,
                } as const);
          leases[request.unit] = stepLease(lease, event, nowMs, ttlMs).state;
        }
        requests = requests.filter((r) => r.outcome === undefined || nowMs < r.answersAtMs);
        for (const [unit, lease] of leases.entries()) {
          if (nowMs < (stoppedUntil[unit] ?? 0)) continue;
          const { state, action } = stepLease(lease, { kind: 'tick' }, nowMs, ttlMs);
          leases[unit] = state;
          if (action.kind === 'none') continue;
          const fate = steps[used++ % steps.length];
          if (!fate) continue;
          if (fate.isStopped) stoppedUntil[unit] = nowMs + 2500;
          if (fate.isLost) {
            leases[unit] = stepLease(state, { kind: 'unanswered' }, nowMs, ttlMs).state;
            continue;
          }
          const storesAtMs = nowMs + fate.delayMs;
          requests.push({
            unit,
            sentAtMs: nowMs,
            storesAtMs,
            answersAtMs: storesAtMs + fate.answerMs,
            expected: action.kind === 'renew' ? action.revision : undefined,
            outcome: undefined,
          });
        }
        // A stopped unit acts on nothing; it counts again when it has run one tick.
        const leaders = leases.filter(
          (lease, unit) => nowMs >= (stoppedUntil[unit] ?? 0) && isLeader(lease, nowMs),
        );
        if (leaders.length > 1) return false;
      }
      return true;
    }),
    { numRuns: 200 },
  );
});

t.test('a unit alone takes the lease and keeps it', async (t) => {
  const server = new Server();
  let lease = initialLease;
  const fences = new Set<number>();
  for (let nowMs = 0; nowMs < 10_000; nowMs += 50) {
    const { state, action } = stepLease(lease, { kind: 'tick' }, nowMs, ttlMs);
    lease = state;
    if (action.kind === 'none') continue;
    const revision = server.write(nowMs, action.kind === 'renew' ? action.revision : undefined);
    if (revision === undefined) throw new Error('refused although alone');
    lease = stepLease(lease, { kind: 'written', sentAtMs: nowMs, revision }, nowMs, ttlMs).state;
    fences.add(lease.fence);
    t.ok(isLeader(lease, nowMs));
  }
  t.equal(fences.size, 1, 'renewing keeps the fence');
});

t.test('a holder that was stopped past its lease does not lead when it goes on', async (t) => {
  const held = stepLease(
    initialLease,
    { kind: 'written', sentAtMs: 0, revision: 7 },
    10,
    ttlMs,
  ).state;
  t.ok(isLeader(held, 500));
  t.notOk(isLeader(held, 5000));
  const { action } = stepLease(held, { kind: 'tick' }, 5000, ttlMs);
  t.same(action, { kind: 'create' }, 'it asks anew instead of renewing');
});
