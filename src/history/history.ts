import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { HeadgateError } from '../core/base/error.ts';
import { type Sliced, whole } from '../core/base/slices.ts';
import type { PrefixText } from '../core/base/units.ts';
import type { Disproved, Override } from '../core/decide/egress/index.ts';
import type { State } from '../core/decide/index.ts';
import type { DecidedMove } from '../core/decide/state.ts';
import type { RememberedWeights } from '../core/decide/weights/types.ts';
import type { Plan } from '../core/model/plan.ts';
import type { Mode } from '../core/settings/index.ts';
import type { Cycle, CycleInput } from './cycle.ts';
import { judgeMove, type KeptMove, keepMove, readMoves, valuesOf } from './moves.ts';
import { pack, packSliced, unpack } from './pack.ts';
import { prune } from './prune.ts';
import { prepareTables, schemaVersion } from './schema.ts';

export interface HistoryOptions {
  /** File; its folder is made when absent. */
  readonly path: string;
  /** Milliseconds that decisions and samples are kept. */
  readonly keepMs: number;
  /** Bytes that the file may have: the oldest decisions without moves go first. Billing samples stay. */
  readonly bytesMax: number;
  /** For what was set aside at the start. */
  readonly warn: (message: string) => void;
}

export interface Span {
  /** Milliseconds since the epoch, both inclusive. */
  readonly from: number;
  readonly to: number;
}

/** Octets of one link in one 5-minute sample. `at` is the sample's start. */
export interface Usage {
  readonly at: number;
  readonly link: string;
  readonly inboundL2: number;
  readonly outboundL2: number;
  readonly inboundIp: number;
  readonly outboundIp: number;
  /** Milliseconds of the sample that were really measured, at most 300,000. */
  readonly coveredMs: number;
}

/** What one link would have carried more (less where negative) in one 5-minute sample if nothing were steered. */
export interface Shift {
  readonly at: number;
  readonly link: string;
  /** Octets at layer 2. */
  readonly inboundL2: number;
}

/** Octets of one block in one 5-minute sample. */
export interface BlockUsage {
  readonly block: string;
  readonly inboundL2: number;
  readonly outboundL2: number;
}

/** All blocks of one 5-minute sample, as far as it was measured. */
export interface BlockSample {
  readonly at: number;
  /** Milliseconds of the sample that were measured, at most 300,000. */
  readonly coveredMs: number;
  /** Share of the traffic of that time that could be laid to a block and link, 0 to 1. */
  readonly coverage: number;
  readonly blocks: readonly BlockUsage[];
}

/** Of one link in one 5-minute sample: the last values seen. */
export interface Quality {
  readonly at: number;
  readonly link: string;
  readonly retransmission: number | null;
  readonly rttUs: number | null;
  readonly loss: number | null;
}

/** What a unit remembers over a restart. */
export interface Memory {
  /** When it was written, milliseconds since the epoch. */
  readonly at: number;
  readonly state: State;
  /** The plan that was announced; absent when nothing was. */
  readonly inForce?: Plan;
  /** Outbound: the destinations that left by another link than plain BGP chose. */
  readonly detours?: readonly Override[];
  /** The same of single sessions. */
  readonly sessions?: ReadonlyArray<Override<string>>;
  /** Ways that were tried for performance and did not help. */
  readonly disproved?: readonly Disproved[];
  /** Outbound sessions by marks: their weights, and the secret of the hash. */
  readonly marks?: RememberedWeights;
  readonly isWithdrawn: boolean;
  /** How blocks were divided, where they are divided by what they carry. */
  readonly divisions?: ReadonlyArray<{ readonly prefix: PrefixText; readonly group?: string }>;
  /** Of several units: how many orders of operators the two around this stand on. */
  readonly ordersSerial?: number;
  /** Of several units this one alone announces nothing, by an operator's word. */
  readonly isAside?: boolean;
  /** Blocks that an operator took back one by one. */
  readonly withheld?: readonly PrefixText[];
}

/** Pruning reads the file's size; not every cycle needs it. */
const cyclesPerPrune = 100;
const fiveMinutes = 300_000;
const hour = 3_600_000;

/**
 * The unit's memory on disk: SQLite in WAL mode, so that a power loss costs at most the last moments. A write
 * that the disk refuses is counted and left out; the unit goes on.
 */
export class History {
  readonly #database: Database.Database;
  readonly #options: HistoryOptions;
  /** Records that were not kept, by reason (SQLite's code). */
  readonly lost = new Map<string, number>();
  /** What is written again and again: preparing it takes longer than it does. */
  readonly #statements = new Map<string, Database.Statement>();
  #memoryTurn = 0;
  #knownPolicy = '';
  #sincePrune = 0;

  /** Throws HeadgateError `history_failed`. A file that is damaged or of another version is set aside first. */
  constructor(options: HistoryOptions, database = open(options)) {
    this.#options = options;
    this.#database = database;
  }

  /** For another process to look at, while a unit writes it too. Throws HeadgateError `history_unreadable`. */
  static read(path: string): History {
    const options = { path, keepMs: Infinity, bytesMax: Infinity, warn: () => undefined };
    try {
      const database = new Database(path, { readonly: true, fileMustExist: true });
      // A cast: with `simple` the pragma is one number.
      const version = database.pragma('user_version', { simple: true }) as number;
      if (version !== schemaVersion) throw new Error(`it is of version ${version}`);
      return new History(options, database);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new HeadgateError('history_unreadable', `cannot read ${path}: ${reason}`, { cause });
    }
  }

  /** The size of the file, bytes, without what still stands in the log. */
  get bytes(): number {
    return statSync(this.#options.path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Keeps one turn: its input, its moves, what rails stopped, what became of earlier moves. */
  record(cycle: Cycle): void {
    whole(this.recordSliced(cycle));
  }

  /** The same in slices; what is kept is kept at once, at the end. */
  *recordSliced(cycle: Cycle): Sliced<void> {
    const { observation, decision, before, mode, isCarriedOut } = cycle;
    const body = yield* packSliced({ observation, before, mode, isCarriedOut });
    this.#write('cycle', () => {
      const policy = this.#keepPolicy(cycle);
      const done = decision.moves.filter((move) => move.outcome === 'pending');
      this.#run(
        'INSERT OR REPLACE INTO cycles (at, has_moves, policy, body) VALUES (?, ?, ?, ?)',
        observation.at,
        done.length > 0 ? 1 : 0,
        policy,
        body,
      );
      for (const verification of decision.verifications) {
        const { outcome, sharePredicted, shareSeen, block } = verification;
        this.#run(judgeMove, outcome, sharePredicted, shareSeen, block);
      }
      // In the other modes a proposal comes up in every cycle until it is approved: only what is done is a move.
      if (isCarriedOut) for (const move of done) this.#run(keepMove, ...valuesOf(move, mode));
      this.#countRails(cycle);
      this.#keepQuality(cycle);
    });
    this.#sincePrune++;
    if (this.#sincePrune >= cyclesPerPrune) this.prune(cycle.observation.at);
  }

  /** Keeps moves that were made outside a turn: approved or withdrawn by the operator. */
  recordMoves(moves: readonly DecidedMove[], mode: Mode): void {
    this.#write('moves', () => {
      for (const move of moves) this.#run(keepMove, ...valuesOf(move, mode));
    });
  }

  /** Adds to the samples that `usage` names: a sample may come in parts. */
  addUsage(usage: readonly Usage[]): void {
    this.#write('usage', () => {
      for (const part of usage) {
        this.#run(
          `INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (at, link) DO UPDATE SET
             inbound_l2 = inbound_l2 + excluded.inbound_l2,
             outbound_l2 = outbound_l2 + excluded.outbound_l2,
             inbound_ip = inbound_ip + excluded.inbound_ip,
             outbound_ip = outbound_ip + excluded.outbound_ip,
             covered_ms = min(${fiveMinutes}, covered_ms + excluded.covered_ms)`,
          part.at,
          part.link,
          part.inboundL2,
          part.outboundL2,
          part.inboundIp,
          part.outboundIp,
          part.coveredMs,
        );
      }
    });
  }

  /** Adds to the samples that `shifts` names. */
  addShifts(shifts: readonly Shift[]): void {
    if (shifts.length === 0) return;
    this.#write('shift', () => {
      for (const { at, link, inboundL2 } of shifts) {
        this.#run(
          `INSERT INTO shifts VALUES (?, ?, ?)
           ON CONFLICT (at, link) DO UPDATE SET inbound_l2 = inbound_l2 + excluded.inbound_l2`,
          at,
          link,
          inboundL2,
        );
      }
    });
  }

  shifts({ from, to }: Span): readonly Shift[] {
    return this.#all<Shift>(
      'SELECT at, link, inbound_l2 AS inboundL2 FROM shifts WHERE at BETWEEN ? AND ? ORDER BY at, link',
      from,
      to,
    );
  }

  /** Keeps one sample of all blocks; parts of one sample (a restart lies in it) stand beside each other. */
  addBlockSample(sample: BlockSample): void {
    const { at, coveredMs, coverage, blocks } = sample;
    this.#write('block usage', () => {
      this.#run(
        'INSERT INTO block_usage (at, covered_ms, coverage, body) VALUES (?, ?, ?, ?)',
        at,
        coveredMs,
        coverage,
        pack(blocks.map((b) => [b.block, b.inboundL2, b.outboundL2])),
      );
    });
  }

  /** Oldest first, one at a time: they may be many. */
  *blockSamples({ from, to }: Span): Generator<BlockSample> {
    const rows = this.#database
      .prepare<unknown[], BlockRow>(
        `SELECT at, covered_ms AS coveredMs, coverage, body FROM block_usage
         WHERE at BETWEEN ? AND ? ORDER BY at, id`,
      )
      .iterate(from, to);
    for (const { body, ...row } of rows) {
      const blocks = unpack<readonly (readonly [string, number, number])[]>(body);
      yield {
        ...row,
        blocks: blocks.map(([block, inboundL2, outboundL2]) => ({ block, inboundL2, outboundL2 })),
      };
    }
  }

  remember(memory: Memory): void {
    whole(this.rememberSliced(memory));
  }

  *rememberSliced(memory: Memory): Sliced<void> {
    const turn = ++this.#memoryTurn;
    const body = yield* packSliced(memory);
    // What was remembered meanwhile is newer.
    if (turn !== this.#memoryTurn) return;
    this.#write('memory', () => {
      this.#run("INSERT OR REPLACE INTO memory VALUES ('unit', ?)", body);
    });
  }

  recall(): Memory | undefined {
    const row = this.#get<{ body: Buffer }>("SELECT body FROM memory WHERE key = 'unit'");
    return row && unpack<Memory>(row.body);
  }

  /** The last cycle at or before a time. */
  cycleAt(at: number): CycleInput | undefined {
    const row = this.#get<CycleRow>(`${cycleColumns} WHERE at <= ? ORDER BY at DESC LIMIT 1`, at);
    return row && cycleOf(row);
  }

  /** The cycles of a time, oldest first, one at a time: they may be many. */
  *cycles({ from, to }: Span): Generator<CycleInput> {
    const rows = this.#database
      .prepare<unknown[], CycleRow>(`${cycleColumns} WHERE at BETWEEN ? AND ? ORDER BY at`)
      .iterate(from, to);
    for (const row of rows) yield cycleOf(row);
  }

  /** Newest first. */
  moves({ from, to }: Span, block: string | undefined, limit: number): readonly KeptMove[] {
    const named = block === undefined ? [] : [block];
    return this.#all<KeptMove>(readMoves(block !== undefined), from, to, ...named, limit);
  }

  /** How often each rail stopped a move. */
  rails({ from, to }: Span) {
    return this.#all<{ readonly rail: string; readonly result: string; readonly count: number }>(
      `SELECT rail, result, sum(count) AS count FROM rails
       WHERE hour BETWEEN ? AND ? GROUP BY rail, result ORDER BY count DESC, rail`,
      from - (from % hour),
      to,
    );
  }

  usage({ from, to }: Span): readonly Usage[] {
    return this.#all<Usage>(
      `SELECT at, link, inbound_l2 AS inboundL2, outbound_l2 AS outboundL2, inbound_ip AS inboundIp,
              outbound_ip AS outboundIp, covered_ms AS coveredMs
       FROM usage WHERE at BETWEEN ? AND ? ORDER BY at, link`,
      from,
      to,
    );
  }

  quality({ from, to }: Span): readonly Quality[] {
    return this.#all<Quality>(
      `SELECT at, link, retransmission, rtt_us AS rttUs, loss FROM quality
       WHERE at BETWEEN ? AND ? ORDER BY at, link`,
      from,
      to,
    );
  }

  /** Lets go of what is too old or too much. */
  prune(now: number): void {
    this.#sincePrune = 0;
    const { keepMs, bytesMax } = this.#options;
    this.#write('prune', () => prune(this.#database, now - keepMs, bytesMax));
  }

  /** The most pages that the file may grow to: how a test fills the disk. */
  limitPages(count: number): void {
    this.#database.pragma(`max_page_count = ${count}`);
  }

  close(): void {
    this.#database.close();
  }

  #keepPolicy({ policy }: Cycle): string {
    const text = JSON.stringify(policy);
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
    if (hash !== this.#knownPolicy) {
      this.#run('INSERT OR IGNORE INTO policies VALUES (?, ?)', hash, pack(policy));
      this.#knownPolicy = hash;
    }
    return hash;
  }

  #countRails({ observation, decision }: Cycle): void {
    const start = observation.at - (observation.at % hour);
    for (const { verdicts } of decision.moves) {
      for (const { rail, result } of verdicts) {
        if (result === 'pass') continue;
        this.#run(
          'INSERT INTO rails VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1',
          start,
          rail,
          result,
        );
      }
    }
  }

  #keepQuality({ observation }: Cycle): void {
    const at = observation.at - (observation.at % fiveMinutes);
    for (const link of observation.links) {
      const values = [link.retransmissionRatio?.value, link.rttUs?.value, link.lossRatio?.value];
      if (values.every((value) => value === undefined)) continue;
      const kept = values.map((value) => value ?? null);
      this.#run('INSERT OR REPLACE INTO quality VALUES (?, ?, ?, ?, ?)', at, link.link, ...kept);
    }
  }

  /** One transaction. What the disk or the file refuses is counted: the unit's work does not wait for it. */
  #write(what: string, write: () => void): void {
    try {
      this.#database.transaction(write)();
    } catch (error) {
      if (!(error instanceof Database.SqliteError)) throw error;
      const reason = `${what} ${error.code}`;
      this.lost.set(reason, (this.lost.get(reason) ?? 0) + 1);
      this.#knownPolicy = '';
    }
  }

  #run(sql: string, ...values: readonly unknown[]): void {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    statement.run(...values);
  }

  #get<Row>(sql: string, ...values: readonly unknown[]): Row | undefined {
    return this.#database.prepare<unknown[], Row>(sql).get(...values);
  }

  #all<Row>(sql: string, ...values: readonly unknown[]): readonly Row[] {
    return this.#database.prepare<unknown[], Row>(sql).all(...values);
  }
}

interface BlockRow {
  readonly at: number;
  readonly coveredMs: number;
  readonly coverage: number;
  readonly body: Buffer;
}

interface CycleRow {
  readonly body: Buffer;
  readonly policy: Buffer;
}

const cycleColumns =
  'SELECT cycles.body, policies.body AS policy FROM cycles JOIN policies ON hash = policy';

function cycleOf(row: CycleRow): CycleInput {
  const input = unpack<Omit<CycleInput, 'policy'>>(row.body);
  return { ...input, policy: unpack<CycleInput['policy']>(row.policy) };
}

function open(options: HistoryOptions): Database.Database {
  const { path } = options;
  try {
    mkdirSync(dirname(path), { recursive: true });
    const database = openFile(path);
    if (database) return database;
    const aside = `${path}.${Date.now()}.aside`;
    for (const suffix of ['', '-wal', '-shm']) {
      if (statSync(path + suffix, { throwIfNoEntry: false }))
        renameSync(path + suffix, aside + suffix);
    }
    options.warn(`${path} could not be used and was set aside as ${aside}; a new history begins`);
    const fresh = openFile(path);
    if (fresh) return fresh;
    throw new Error('a new file cannot be used either');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HeadgateError(
      'history_failed',
      `cannot keep history in ${path}: ${reason}; set history.path to a place that can be written`,
      { cause },
    );
  }
}

/** Undefined for a file that is damaged, no database, or of another version. */
function openFile(path: string): Database.Database | undefined {
  const database = new Database(path);
  try {
    database.pragma('auto_vacuum = INCREMENTAL');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    if (prepareTables(database) === schemaVersion) return database;
  } catch (error) {
    const isDamaged =
      error instanceof Database.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code);
    if (!isDamaged) {
      database.close();
      throw error;
    }
  }
  database.close();
  return undefined;
}
