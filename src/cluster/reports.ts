import type { Bus, BusMessage } from './bus.ts';
import type { UnitReport } from './cluster.ts';
import { encodeMessage, PartJoiner, splitBytes } from './messages.ts';

/** Parts of a report: below NATS's default payload limit of 1 MiB. */
const partBytes = 512 * 1024;

interface Arrived {
  readonly body: unknown;
  /** When it was measured, on this unit's monotonic clock as far as that can be told. */
  readonly atMs: number;
}

/** This unit's own report, and, while it leads, those of the others. */
export class Reports {
  readonly #unit: string;
  readonly #now: () => number;
  readonly #count: (name: string, by?: number) => void;
  readonly #joiner = new PartJoiner();
  readonly #arrived = new Map<string, Arrived>();
  #own: (Arrived & { readonly bytes: Uint8Array }) | undefined;
  #serial = 0;
  #endListening: () => void = () => undefined;

  constructor(unit: string, now: () => number, count: (name: string, by?: number) => void) {
    this.#unit = unit;
    this.#now = now;
    this.#count = count;
  }

  list(): readonly UnitReport[] {
    const now = this.#now();
    const own: ReadonlyArray<readonly [string, Arrived]> = this.#own
      ? [[this.#unit, this.#own]]
      : [];
    return [...own, ...this.#arrived].map(([unit, { body, atMs }]) => ({
      unit,
      ageMs: now - atMs,
      body,
    }));
  }

  losses(): Readonly<Record<string, number>> {
    return { parts_abandoned: this.#joiner.abandoned, parts_refused: this.#joiner.refused };
  }

  keepOwn(body: unknown): void {
    this.#own = { body, atMs: this.#now(), bytes: encodeMessage(this.#unit, body) };
  }

  send(bus: Bus, subject: string): void {
    if (!this.#own) return;
    const { bytes, atMs } = this.#own;
    const parts = splitBytes(bytes, partBytes);
    const serial = ++this.#serial;
    for (const [index, part] of parts.entries()) {
      bus.publish(subject, part, {
        Unit: this.#unit,
        Serial: String(serial),
        Index: String(index),
        Count: String(parts.length),
        // A duration of our own clock: no time of day that the leader would have to compare with its own.
        Age: String(Math.round(this.#now() - atMs)),
      });
      this.#count('report_bytes', part.length);
    }
    this.#count('reports');
  }

  /** Takes in what the others send; `decode` gives undefined for what is refused. */
  listen(
    bus: Bus,
    subject: string,
    decode: (bytes: Uint8Array) => { readonly unit: string; readonly body: unknown } | undefined,
  ): void {
    this.#endListening();
    this.#endListening = bus.subscribe(subject, (message) => this.#take(message, decode));
  }

  /** What the others measured is no concern of a unit that does not lead. */
  forget(): void {
    this.#endListening();
    this.#endListening = () => undefined;
    this.#arrived.clear();
  }

  #take(message: BusMessage, decode: Parameters<Reports['listen']>[2]): void {
    const number = (name: string) => Number(message.header(name));
    const whole = this.#joiner.add({
      sender: message.header('Unit'),
      serial: number('Serial'),
      index: number('Index'),
      count: number('Count'),
      bytes: message.bytes,
    });
    const decoded = whole && decode(whole);
    if (!whole || !decoded || decoded.unit === this.#unit) return;
    this.#count('reports_taken');
    this.#count('report_bytes_taken', whole.length);
    const ageMs = Math.max(0, number('Age') || 0);
    this.#arrived.set(decoded.unit, { body: decoded.body, atMs: this.#now() - ageMs });
  }
}
