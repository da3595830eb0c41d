import type { FlowTally } from './tally.ts';

/** A jump back by at most this many is a datagram that came late; a longer one is a restart. */
const reorderWindow = 1024;
/** A jump ahead by more than this is not loss but a counter that started anew. */
const lossLimit = 1 << 20;

/**
 * Follows the sequence number of one stream. The unit differs by protocol: NetFlow v5 counts flows,
 * v9 counts datagrams (RFC 3954 section 5.1), IPFIX data records (RFC 7011 section 3.1), sFlow datagrams.
 */
export class SequenceTracker {
  #expected: number | undefined;

  /** `units` is what this datagram adds; undefined when it cannot be known (records of an unknown template). */
  step(
    sequence: number,
    units: number | undefined,
    tally: FlowTally,
  ): 'in_order' | 'gap' | 'late' | 'restart' {
    const expected = this.#expected;
    const next = units === undefined ? undefined : (sequence + units) >>> 0;
    tally.received += units ?? 0;
    if (expected === undefined) {
      this.#expected = next;
      return 'in_order';
    }
    // Signed distance modulo 2^32.
    const ahead = (sequence - expected) | 0;
    if (ahead < 0 && ahead >= -reorderWindow) {
      // It was counted as lost when its successor arrived.
      tally.reordered++;
      tally.lost -= Math.min(tally.lost, units ?? 0);
      return 'late';
    }
    this.#expected = next;
    if (ahead === 0) return 'in_order';
    if (ahead < 0 || ahead > lossLimit) {
      tally.restarts++;
      return 'restart';
    }
    tally.lost += ahead;
    return 'gap';
  }

  forget(): void {
    this.#expected = undefined;
  }
}
