/** What the audit log is told of a unit's life: commands, reloads, and every announcement with who and why. */

import type { Act, AuditEvent, AuditHead, AuditLog } from '../../control/index.ts';
import { eachSliced, type Sliced } from '../../core/base/slices.ts';
import {
  type Announcement,
  type Desired,
  isSameAnnouncement,
} from '../../core/bgp/announcement.ts';
import type { Override } from '../../core/decide/egress/types.ts';
import type { Plan } from '../../core/model/plan.ts';

/** Changes told one by one in a record; of more it has the number. */
const changesTold = 50;

/** Reading commands are told of so often. */
const readsMs = 3_600_000;

export interface AnnouncementChange {
  readonly router: string;
  readonly prefix: string;
  readonly change: 'announced' | 'changed' | 'withdrawn';
  /** The plan's reason for the block; absent where it is in no plan any more. */
  readonly why?: string;
}

export class Diary {
  readonly #log: AuditLog;
  readonly #wall: () => number;
  readonly #nameOf: (uid: number) => string;
  #desired: Desired = new Map();
  #detours: ReadonlyMap<string, Override<string>> = new Map();
  /** Reading commands since `#readsSince`: how often each, by caller. */
  readonly #reads = new Map<string, Map<string, number>>();
  #readsSince = 0;

  /** `nameOf`: the name of a user, or its number where it has none. */
  constructor(log: AuditLog, wall: () => number, nameOf: (uid: number) => string) {
    this.#log = log;
    this.#wall = wall;
    this.#nameOf = nameOf;
  }

  /** Records that the disk refused and the log has not told of yet. */
  get missing(): number {
    return this.#log.missing;
  }
  /** All records that the disk refused. */
  get lost(): number {
    return this.#log.lost;
  }
  get head(): AuditHead {
    return this.#log.head;
  }
  get path(): string {
    return this.#log.path;
  }

  started(detail: Readonly<Record<string, unknown>>): void {
    this.#write({ what: 'start', who: 'the unit', detail });
  }

  stopped(): void {
    this.#tellReads();
    this.#write({ what: 'stop', who: 'the unit' });
  }

  /** To be called once in a while: brings in what waits to be told. */
  tend(): void {
    if (this.#wall() - this.#readsSince >= readsMs) this.#tellReads();
    if (this.#log.missing > 0) this.#write({ what: 'gap', who: 'the unit' });
  }

  /** The detours that routers are told from now on, or that marks carry; the same as before is nothing to tell. */
  detoured(overrides: ReadonlyArray<Override<string>>, mode: string): void {
    const has = new Map(overrides.map((override) => [override.destination, override]));
    const had = this.#detours;
    if (overrides.every(({ destination, link }) => had.get(destination)?.link === link)) {
      if (had.size === has.size) return;
    }
    this.#detours = has;
    const changes = [...new Set([...had.keys(), ...has.keys()])].sort().flatMap((destination) => {
      const [old, now] = [had.get(destination), has.get(destination)];
      if (old?.link === now?.link) return [];
      const change = !now ? 'detour ended' : old ? 'detour changed' : 'detour';
      const { from, link, text } = now ?? { ...old, text: undefined };
      return [
        { prefix: destination, change, from, link, ...(text === undefined ? {} : { why: text }) },
      ];
    });
    this.#tellChanges(mode, changes);
  }

  /** A command that changes nothing. One record tells of all of an hour: a screen alone asks six in a second. */
  read({ command, caller }: Pick<Act, 'command' | 'caller'>): void {
    const { role, uid } = caller;
    const who = uid === undefined ? `role ${role}` : `${this.#nameOf(uid)} (uid ${uid})`;
    const counts = this.#reads.get(who) ?? new Map<string, number>();
    if (this.#reads.size === 0) this.#readsSince = this.#wall();
    this.#reads.set(who, counts.set(command, (counts.get(command) ?? 0) + 1));
  }

  /** A command that was carried out or refused; its argument `why` is the caller's reason. */
  acted({ command, args, caller, result }: Act): void {
    const { why, ...rest } = args;
    const { role, uid, pid } = caller;
    const who =
      uid === undefined ? `role ${role}` : `${this.#nameOf(uid)} (uid ${uid}, pid ${pid ?? '?'})`;
    this.#write({
      what: 'command',
      who,
      ...(typeof why === 'string' ? { why } : {}),
      detail: { command, args: rest, role, result },
    });
  }

  refusedReload(by: string, reason: string): void {
    this.#write({ what: 'reload', who: by, detail: { refused: reason } });
  }

  reloaded(by: string, changed: readonly string[]): void {
    this.#write({ what: 'reload', who: by, detail: { changed } });
  }

  /** What the speaker is to announce from now on; the same as before is nothing to tell. */
  *announced(desired: Desired, plan: Plan | undefined, mode: string): Sliced<void> {
    const changes = yield* announcementChanges(this.#desired, desired, plan);
    this.#desired = desired;
    this.#tellChanges(mode, changes, plan ? { plan: plan.generation } : {});
  }

  close(): void {
    this.#log.close();
  }

  #tellChanges(mode: string, changes: readonly object[], more: object = {}): void {
    if (changes.length === 0) return;
    const left = changes.length - changesTold;
    this.#write({
      what: 'announce',
      who: `the unit, mode ${mode}`,
      detail: {
        ...more,
        changes: changes.slice(0, changesTold),
        ...(left > 0 ? { more: left } : {}),
      },
    });
  }

  #tellReads(): void {
    const from = new Date(this.#readsSince).toISOString();
    for (const [who, counts] of this.#reads) {
      this.#write({ what: 'read', who, detail: { from, commands: Object.fromEntries(counts) } });
    }
    this.#reads.clear();
  }

  #write(event: AuditEvent): void {
    this.#log.append(this.#wall(), event);
  }
}

/** From one desired state to the next, by router and prefix. */
export function* announcementChanges(
  before: Desired,
  after: Desired,
  plan: Plan | undefined,
): Sliced<readonly AnnouncementChange[]> {
  const routers = [...new Set([...before.keys(), ...after.keys()])].sort();
  const found: Omit<AnnouncementChange, 'why'>[] = [];
  for (const router of routers) {
    // What has gone remains of what was there.
    const gone = new Map<string, Announcement>();
    yield* eachSliced(before.get(router) ?? [], (old) => gone.set(old.prefix, old));
    yield* eachSliced(after.get(router) ?? [], (now) => {
      const { prefix } = now;
      const old = gone.get(prefix);
      gone.delete(prefix);
      if (!old) found.push({ router, prefix, change: 'announced' });
      else if (!isSameAnnouncement(old, now)) found.push({ router, prefix, change: 'changed' });
    });
    for (const prefix of gone.keys()) found.push({ router, prefix, change: 'withdrawn' });
  }
  yield;
  if (found.length === 0) return [];
  const reasons = new Map<string, string>();
  yield* eachSliced(plan?.blocks ?? [], ({ block, reason }) => reasons.set(block, reason));
  return found.sort(byRouterAndPrefix).map((change) => {
    const why = reasons.get(change.prefix);
    return { ...change, ...(why === undefined ? {} : { why }) };
  });
}

type Place = Pick<AnnouncementChange, 'router' | 'prefix'>;

function byRouterAndPrefix(a: Place, b: Place): number {
  if (a.router !== b.router) return a.router < b.router ? -1 : 1;
  return a.prefix < b.prefix ? -1 : 1;
}
