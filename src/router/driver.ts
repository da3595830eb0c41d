/**
 * What every driver does, once: render → diff → stage → verify → confirm, or undo. The drivers differ in how a
 * router takes a change that undoes itself unless confirmed.
 */
import { HeadgateError } from '../core/base/error.ts';
import type { PrefixText } from '../core/base/units.ts';
import { emptyIntent, type RouterIntent } from './intent.ts';
import { diffSections, type SectionDiff } from './section.ts';
import type { UndoTimer } from './undo-timer.ts';

/** How one kind of router is changed. */
export interface RouterDialect {
  /** Our section as the router would load it at its next start. */
  read(): Promise<string>;
  render(intent: RouterIntent): string;
  /** Puts an intent in force; the router itself goes back after `undoAfterS` unless `confirm` comes. */
  stage(intent: RouterIntent, undoAfterS: number): Promise<void>;
  /** Why the router does not yet do what is wanted; undefined when it does. */
  verify(intent: RouterIntent): Promise<string | undefined>;
  /** Makes what is in force permanent. */
  confirm(): Promise<void>;
  /** Goes back at once to what was in force before `stage`. */
  undo(): Promise<void>;
  /** For the router's own shell: takes back all that is ours there, whatever it is by then. */
  clearScript(): string;
}

/** What a router tells its neighbours, asked of the router itself. */
export interface RouterReader {
  /** Of the neighbours given, by address, those that it tells of a prefix. Rejects with a `HeadgateError`. */
  advertisedTo(prefix: PrefixText, neighbors: readonly string[]): Promise<ReadonlySet<string>>;
}

export interface RouterDriver {
  /** What `apply` would change. */
  diff(intent: RouterIntent): Promise<SectionDiff>;
  apply(intent: RouterIntent): Promise<Applied>;
}

export type Applied =
  | { readonly result: 'unchanged' | 'applied'; readonly diff: SectionDiff }
  | { readonly result: 'rolled_back'; readonly diff: SectionDiff; readonly reason: string };

export interface DriverOptions {
  /** Seconds after which the router goes back by itself; 30 unless set. */
  readonly undoAfterS?: number;
  /** Milliseconds that a change may take to show; 10,000 unless set. */
  readonly verifyWithinMs?: number;
  /**
   * What is in force ends by itself after `seconds` without another `apply`, of the same intent or another: as a
   * session's routes end with it, so that no dead unit goes on steering. Longer than `undoAfterS`, or what an undo goes
   * back to would outlive it.
   */
  readonly lease?: { readonly timer: UndoTimer; readonly seconds: number };
  /** A further condition, such as that the unit still reaches what it must; throws or gives false to roll back. */
  readonly isSafe?: () => Promise<boolean>;
}

const pollMs = 200;

/** The state in which a change is made is the driver's alone: one `apply` at a time. */
export function createDriver(dialect: RouterDialect, options: DriverOptions = {}): RouterDriver {
  let running: Promise<unknown> = Promise.resolve();
  const diff = async (intent: RouterIntent) =>
    diffSections(await dialect.read(), dialect.render(intent));
  return {
    diff,
    apply(intent) {
      const next = running.then(() => applyLeased(dialect, intent, options));
      running = next.catch(() => {});
      return next;
    },
  };
}

/** Drivers of one router that each carry out their part of an intent, one after the other. */
export function together(drivers: readonly RouterDriver[]): RouterDriver {
  return {
    async diff(intent) {
      const parts: SectionDiff[] = [];
      for (const driver of drivers) parts.push(await driver.diff(intent));
      return joined(parts);
    },
    async apply(intent) {
      const parts: Applied[] = [];
      for (const driver of drivers) {
        const applied = await driver.apply(intent);
        parts.push(applied);
        if (applied.result === 'rolled_back') break;
      }
      const diff = joined(parts.map((part) => part.diff));
      const failed = parts.find((part) => part.result === 'rolled_back');
      if (failed) return { ...failed, diff };
      const isChanged = parts.some((part) => part.result === 'applied');
      return { result: isChanged ? 'applied' : 'unchanged', diff };
    },
  };
}

const joined = (parts: readonly SectionDiff[]): SectionDiff => ({
  added: parts.flatMap((part) => part.added),
  removed: parts.flatMap((part) => part.removed),
});

async function applyLeased(
  dialect: RouterDialect,
  intent: RouterIntent,
  options: DriverOptions,
): Promise<Applied> {
  const { lease } = options;
  const isEmpty = dialect.render(intent) === dialect.render(emptyIntent);
  // Before the change: were it after, a unit that dies in between would steer for ever.
  if (lease && !isEmpty) await lease.timer.start(dialect.clearScript(), lease.seconds);
  const applied = await applyOnce(dialect, intent, options);
  if (lease && isEmpty && applied.result !== 'rolled_back') await lease.timer.stop();
  return applied;
}

async function applyOnce(
  dialect: RouterDialect,
  intent: RouterIntent,
  options: DriverOptions,
): Promise<Applied> {
  const diff = diffSections(await dialect.read(), dialect.render(intent));
  if (diff.added.length + diff.removed.length === 0) {
    const missing = await dialect.verify(intent);
    if (missing === undefined) return { result: 'unchanged', diff };
  }
  let reason: string | undefined;
  try {
    await dialect.stage(intent, options.undoAfterS ?? 30);
    reason = await failureOf(dialect, intent, options);
    if (reason === undefined) {
      await dialect.confirm();
      return { result: 'applied', diff };
    }
  } catch (error) {
    if (!(error instanceof HeadgateError)) throw error;
    reason = error.message;
  }
  // Where the change cut our own access this fails too; the router's own timer then does the same.
  await dialect.undo().catch(() => {});
  return { result: 'rolled_back', diff, reason };
}

async function failureOf(
  dialect: RouterDialect,
  intent: RouterIntent,
  options: DriverOptions,
): Promise<string | undefined> {
  const deadline = Date.now() + (options.verifyWithinMs ?? 10_000);
  for (;;) {
    const missing = await dialect.verify(intent);
    if (missing === undefined) break;
    if (Date.now() > deadline) return missing;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  const isSafe = await (options.isSafe?.() ?? true);
  return isSafe ? undefined : 'the check that guards this change failed';
}
