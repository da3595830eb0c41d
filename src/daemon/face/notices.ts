/** What of the complaints is told to a person who is not looking, and when. Knows no clock and no network. */
import type { NoticesSettings } from '../../core/settings/index.ts';

export interface Complaint {
  /** What it is about, whatever its words are now. */
  readonly key: string;
  readonly what: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** One message to a person. Plain JSON: what the webhook gets. */
export interface Notice {
  readonly unit: string;
  readonly at: number;
  /** One line: what a mail's subject and a telephone show. */
  readonly summary: string;
  /** Complaints that began and stand. */
  readonly began: readonly Complaint[];
  /** Complaints that were told and are over. */
  readonly ended: readonly string[];
  /** Notices that the limit held back since the last one. */
  readonly held_back: number;
}

const hourMs = 3_600_000;

/**
 * Decides on each turn whether there is something to tell. A complaint is told once, when it has stood for `after`,
 * and once when it is over; what the hourly limit holds back is not lost but told in the next message.
 */
export class Notices {
  readonly #unit: string;
  /** The words of each complaint that was told and stands, by key. */
  #told = new Map<string, string>();
  #sent: readonly number[] = [];
  #heldBack = 0;
  #isHolding = false;

  constructor(unit: string) {
    this.#unit = unit;
  }

  turn(
    at: number,
    complaints: readonly Complaint[],
    { after, perHour }: Pick<NoticesSettings, 'after' | 'perHour'>,
  ): Notice | undefined {
    const standing = new Set(complaints.map(({ key }) => key));
    const began = complaints.filter(
      ({ key, since }) => at - since >= after && !this.#told.has(key),
    );
    const ended = [...this.#told].filter(([key]) => !standing.has(key)).map(([, what]) => what);
    if (began.length + ended.length === 0) return undefined;
    this.#sent = this.#sent.filter((sent) => sent <= at && at - sent < hourMs);
    if (this.#sent.length >= perHour) {
      if (!this.#isHolding) this.#heldBack++;
      this.#isHolding = true;
      return undefined;
    }
    const notice: Notice = {
      unit: this.#unit,
      at,
      summary: summaryOf(this.#unit, began, ended),
      began,
      ended,
      held_back: this.#heldBack,
    };
    this.#told = new Map([
      ...[...this.#told].filter(([key]) => standing.has(key)),
      ...began.map(({ key, what }) => [key, what] as const),
    ]);
    this.#sent = [...this.#sent, at];
    this.#heldBack = 0;
    this.#isHolding = false;
    return notice;
  }
}

function summaryOf(unit: string, began: readonly Complaint[], ended: readonly string[]): string {
  const [first] = began;
  const more = began.length + ended.length - 1;
  const rest = more > 0 ? ` (and ${more} more)` : '';
  return first
    ? `headgate ${unit}: ${first.what}${rest}`
    : `headgate ${unit}: over: ${ended[0] ?? ''}${rest}`;
}

/** The message as a mail that sendmail -t takes; headers are ASCII, lines end as that program wants them. */
export function mailOf(notice: Notice, { to, from }: NonNullable<NoticesSettings['mail']>): string {
  const time = (at: number) => new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
  const subject = notice.summary.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
  return [
    `To: ${to.join(', ')}`,
    ...(from === undefined ? [] : [`From: ${from}`]),
    `Subject: ${subject}`,
    'Content-Type: text/plain; charset=utf-8',
    'Auto-Submitted: auto-generated',
    '',
    ...notice.began.map(({ what, since }) => `! ${what} (since ${time(since)})`),
    ...notice.ended.map((what) => `over: ${what}`),
    ...(notice.held_back > 0 ? [`held back by the hourly limit: ${notice.held_back}`] : []),
    '',
    'headgate status says how it is now.',
    '',
  ].join('\n');
}
