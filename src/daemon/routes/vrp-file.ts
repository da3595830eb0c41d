import { readFileSync, statSync } from 'node:fs';
import { parseVrpFile, VrpTable } from '../../core/bgp/rpki.ts';

/**
 * The VRPs in a validator's file. One that is missing, damaged or older than `maxAgeMs` is stale: the last table is not
 * trusted and nothing is guessed.
 */
export class VrpFile {
  readonly #path: string;
  readonly #maxAgeMs: number;
  #readMtimeMs = -1;
  table: VrpTable | undefined;
  isStale = true;
  /** What is wrong with the file, for the log and `status`; undefined while all is well. */
  complaint: string | undefined;

  constructor(path: string, maxAgeMs: number) {
    this.#path = path;
    this.#maxAgeMs = maxAgeMs;
  }

  /** Looks at the file, once per cycle. `wallMs` is the time since the Unix epoch, as the file's own. */
  refresh(wallMs: number): void {
    const path = this.#path;
    try {
      const { mtimeMs } = statSync(path);
      if (mtimeMs !== this.#readMtimeMs) this.#read(mtimeMs);
      const ageMs = wallMs - mtimeMs;
      this.isStale = this.table === undefined || ageMs > this.#maxAgeMs;
      if (this.table && this.isStale) {
        this.complaint = `${path} is ${Math.round(ageMs / 60_000)} minutes old: is the validator running?`;
      } else if (this.table) {
        this.complaint = undefined;
      }
    } catch (error) {
      this.isStale = true;
      this.complaint = `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  #read(mtimeMs: number): void {
    const parsed = parseVrpFile(readFileSync(this.#path, 'utf8'));
    this.#readMtimeMs = mtimeMs;
    this.table = parsed.ok ? new VrpTable(parsed.value) : undefined;
    if (!parsed.ok) {
      const { line, text } = parsed.error;
      this.complaint = `${this.#path}:${line}: no VRP: ${text.slice(0, 80)}`;
    }
  }
}
