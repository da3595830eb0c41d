import { type Prefix, prefixOf } from '../../core/base/prefix.ts';
import { unreachable } from '../../core/base/result.ts';
import type { PrefixText } from '../../core/base/units.ts';
import { checkRpki, type RpkiVerdict, VrpTable } from '../../core/bgp/rpki.ts';
import type { BlockRouting } from '../../core/model/observation.ts';

/** Where VRPs come from: a validator's file, or a cache. */
export interface VrpSource {
  /** Undefined before the first. */
  readonly table: VrpTable | undefined;
  /** Lost, damaged or too old: not to be trusted. */
  readonly isStale: boolean;
  /** What is wrong, for the log and `status`; undefined while all is well. */
  readonly complaint: string | undefined;
  /** For what must be looked at, once per cycle. */
  refresh?(wallMs: number): void;
}

/** Whether our own announcements would be valid (RFC 6811). Without fresh VRPs nothing is guessed. */
export class OriginCheck {
  readonly #source: VrpSource;
  readonly #requireRoa: boolean;
  readonly #asn: number;

  constructor(source: VrpSource, requireRoa: boolean, asn: number) {
    this.#source = source;
    this.#requireRoa = requireRoa;
    this.#asn = asn;
  }

  get complaint(): string | undefined {
    return this.#source.complaint;
  }

  /** `wallMs` is the time since the Unix epoch. */
  refresh(wallMs: number): void {
    this.#source.refresh?.(wallMs);
  }

  /** Whether a prefix may be announced with us as its origin: neither forbidden nor doubtful. */
  allows(prefix: Prefix): boolean {
    return this.#check(prefix).result === 'pass';
  }

  of(block: PrefixText): Pick<BlockRouting, 'roa' | 'roaReason'> {
    const verdict = this.#check(prefixOf(block));
    switch (verdict.result) {
      case 'postpone':
        return { roa: 'stale', roaReason: verdict.reason };
      case 'refuse':
        return { roa: 'invalid', roaReason: verdict.reason };
      case 'pass':
        return verdict.validity === undefined ? {} : { roa: verdict.validity };
      default:
        return unreachable(verdict);
    }
  }

  #check(prefix: Prefix): RpkiVerdict {
    return checkRpki(prefix, this.#asn, {
      table: this.#source.table ?? new VrpTable([]),
      isStale: this.#source.isStale,
      requireRoa: this.#requireRoa,
    });
  }
}
