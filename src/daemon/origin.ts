import { readFileSync, statSync } from 'node:fs';
import { type Prefix, prefixOf } from '../core/base/prefix.ts';
import { unreachable } from '../core/base/result.ts';
import type { PrefixText } from '../core/base/units.ts';
import { checkRpki, parseVrpFile, type RpkiVerdict, VrpTable } from '../core/bgp/rpki.ts';
import type { BlockRouting } from '../core/model/observation.ts';
import type { Settings } from '../core/settings/index.ts';

/**
 * Whether our own announcements would be valid (RFC 6811), from the file of a validator. A file that is missing,
 * damaged or older than `max_age` is stale: the last table is not trusted and nothing is guessed.
 */
export class OriginCheck {
  readonly #settings: NonNullable<Settings['rpki']>;
  readonly #asn: number;
  #table: VrpTable | undefined;
  #readMtimeMs = -1;
  #isStale = true;
  /** What is wrong with the file, for the log and `status`; undefined while all is well. */
  complaint: string | undefined;

  constructor(settings: NonNullable<Settings['rpki']>, asn: number) {
    this.#settings = settings;
    this.#asn = asn;
  }

  /** Looks at the file once per cycle. `wallMs` is the time since the Unix epoch, as the file's own. */
  refresh(wallMs: number): void {
    const { vrps, maxAge } = this.#settings;
    try {
      const { mtimeMs } = statSync(vrps);
      if (mtimeMs !== this.#readMtimeMs) this.#read(vrps, mtimeMs);
      const ageMs = wallMs - mtimeMs;
      this.#isStale = this.#table === undefined || ageMs > maxAge;
      if (this.#table && this.#isStale) {
        this.complaint = `${vrps} is ${Math.round(ageMs / 60_000)} minutes old: is the validator running?`;
      } else if (this.#table) {
        this.complaint = undefined;
      }
    } catch (error) {
      this.#isStale = true;
      this.complaint = `${vrps} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    }
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
      table: this.#table ?? new VrpTable([]),
      isStale: this.#isStale,
      requireRoa: this.#settings.requireRoa,
    });
  }

  #read(path: string, mtimeMs: number): void {
    const parsed = parseVrpFile(readFileSync(path, 'utf8'));
    this.#readMtimeMs = mtimeMs;
    this.#table = parsed.ok ? new VrpTable(parsed.value) : undefined;
    if (!parsed.ok) {
      const { line, text } = parsed.error;
      this.complaint = `${path}:${line}: no VRP: ${text.slice(0, 80)}`;
    }
  }
}
