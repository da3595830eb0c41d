/**
 * What a cache tells of VRPs (RFC 8210), as a set that changes only as a whole: at the End of Data. Of the hundreds of
 * thousands of VRPs only those that touch our own networks are kept, since only our own announcements are checked.
 */
import { covers, formatPrefix, type Prefix } from '../base/prefix.ts';
import { err, ok, type Result, unreachable } from '../base/result.ts';
import { type RtrPdu, type RtrVersion, rtrError, rtrErrorNames } from '../wire/rtr/pdu.ts';
import { type Vrp, VrpTable } from './rpki.ts';

/** Whose data the set is: what a Serial Query continues. */
export interface RtrMark {
  readonly session: number;
  readonly serial: number;
}

export type IntakeOutcome =
  /** More is to come. */
  | { readonly kind: 'more' }
  /** A new whole set: `intervals` in seconds where the cache tells them. */
  | {
      readonly kind: 'complete';
      /** The cache has told of more since. */
      readonly hasNews: boolean;
      readonly intervals?: (RtrPdu & { kind: 'end_of_data' })['intervals'];
    }
  /** The cache has news. */
  | { readonly kind: 'ask_changes' }
  /** The cache cannot tell the changes: everything must be asked for. */
  | { readonly kind: 'ask_all' };

/** Why the session must end; `report` is the error code to tell the cache, unless it was the cache that reported. */
export interface IntakeError {
  readonly text: string;
  readonly code: number;
  readonly isReported: boolean;
}

export class VrpIntake {
  readonly #networks: readonly Prefix[];
  #kept = new Map<string, Vrp>();
  /** Undefined between answers. */
  #next: Map<string, Vrp> | undefined;
  #mark: RtrMark | undefined;
  #session = 0;
  #asked: 'all' | 'changes' | undefined;
  /** Announced while an answer was under way. */
  #news: RtrMark | undefined;
  /** VRPs of the last whole answer that were looked at, ours or not. */
  seen = 0;

  constructor(networks: readonly Prefix[]) {
    this.#networks = networks;
  }

  /** Where a Serial Query can go on; undefined when everything must be asked for. */
  get mark(): RtrMark | undefined {
    return this.#mark;
  }

  get table(): VrpTable {
    return new VrpTable(this.#kept.values());
  }

  /** A query was sent. Its answer replaces or changes the set. */
  ask(what: 'all' | 'changes'): void {
    this.#asked = what;
    this.#next = undefined;
  }

  /** The session is over: a half answer is forgotten, the set stays. */
  cut(): void {
    this.#asked = undefined;
    this.#next = undefined;
    this.#news = undefined;
  }

  /** Another cache counts on its own: the set stays until that one has told everything. */
  forgetMark(): void {
    this.#mark = undefined;
  }

  take(pdu: RtrPdu, version: RtrVersion): Result<IntakeOutcome, IntakeError> {
    if (pdu.kind === 'error_report') {
      const name = rtrErrorNames[pdu.code] ?? `error ${pdu.code}`;
      const text = `the cache reports ${name}${pdu.text ? `: ${pdu.text}` : ''}`;
      return err({ text, code: pdu.code, isReported: true });
    }
    // A notify may come before the version is agreed on (RFC 8210 section 7).
    if (pdu.version !== version && pdu.kind !== 'serial_notify')
      return fail(rtrError.unexpectedVersion, `version ${pdu.version} in place of ${version}`);
    switch (pdu.kind) {
      case 'serial_notify':
        if (!this.#asked) return ok({ kind: this.#isNews(pdu) ? 'ask_changes' : 'more' });
        this.#news = pdu;
        return more;
      case 'cache_response':
        return this.#begin(pdu.session);
      case 'prefix':
        return this.#change(pdu);
      case 'end_of_data':
        return this.#end(pdu);
      case 'cache_reset':
        this.#mark = undefined;
        this.#next = undefined;
        return ok({ kind: 'ask_all' });
      case 'ignored':
        return more;
      default:
        return unreachable(pdu);
    }
  }

  #isNews({ session, serial }: RtrMark): boolean {
    return session !== this.#mark?.session || serial !== this.#mark.serial;
  }

  #begin(session: number): Result<IntakeOutcome, IntakeError> {
    if (!this.#asked || this.#next)
      return fail(rtrError.invalidRequest, 'an answer to no question');
    if (this.#asked === 'changes' && session !== this.#mark?.session) {
      // The cache began anew: what it counts from is not what we have (RFC 8210 section 5.1).
      this.#mark = undefined;
      return ok({ kind: 'ask_all' });
    }
    this.#session = session;
    this.#next = new Map(this.#asked === 'changes' ? this.#kept : []);
    if (this.#asked === 'all') this.seen = 0;
    return more;
  }

  #change(pdu: RtrPdu & { kind: 'prefix' }): Result<IntakeOutcome, IntakeError> {
    if (!this.#next) return fail(rtrError.corruptData, 'a prefix outside an answer');
    this.seen += pdu.isAnnounced ? 1 : -1;
    const { prefix, maxLength, asn } = pdu;
    if (!this.#networks.some((network) => covers(network, prefix) || covers(prefix, network)))
      return more;
    const key = `${formatPrefix(prefix)} ${maxLength} ${asn}`;
    if (pdu.isAnnounced === this.#next.has(key))
      return pdu.isAnnounced
        ? fail(rtrError.duplicate, `${key} is announced twice`)
        : fail(rtrError.unknownWithdrawal, `${key} is withdrawn and was never announced`);
    if (pdu.isAnnounced) this.#next.set(key, { prefix, maxLength, asn });
    else this.#next.delete(key);
    return more;
  }

  #end(pdu: RtrPdu & { kind: 'end_of_data' }): Result<IntakeOutcome, IntakeError> {
    if (!this.#next || pdu.session !== this.#session)
      return fail(rtrError.corruptData, 'an end of data of no answer');
    this.#kept = this.#next;
    this.#mark = { session: pdu.session, serial: pdu.serial };
    const hasNews = this.#news !== undefined && this.#isNews(this.#news);
    this.cut();
    const { intervals } = pdu;
    return ok({ kind: 'complete', hasNews, ...(intervals ? { intervals } : {}) });
  }
}

const more = ok<IntakeOutcome>({ kind: 'more' });
const fail = (code: number, text: string) => err<IntakeError>({ text, code, isReported: false });
