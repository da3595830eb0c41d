/** What the audit log is told of a unit's life: commands, reloads, and every announcement with who and why. */

import type { Act, AuditEvent, AuditHead, AuditLog } from '../control/index.ts';
import { eachSliced, type Sliced } from '../core/base/slices.ts';
import { type Announcement, type Desired, isSameAnnouncement } from '../core/bgp/announcement.ts';
import type { Plan } from '../core/model/plan.ts';

/** Changes told one by one in a record; of more it has the number. */
const changesTold = 50;

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

  /** `nameOf`: the name of a user, or its number where it has none. */
  constructor(log: AuditLog, wall: () => number, nameOf: (uid: number) => string) {
    this.#log = log;
    this.#wall = wall;
    this.#nameOf = nameOf;
  }

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
    this.#write({ what: 'stop', who: 'the unit' });
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

  reloaded(by: string, changed: readonly string[]): void {
    this.#write({ what: 'reload', who: by, detail: { changed } });
  }

  /** What the speaker is to announce from now on; the same as before is nothing to tell. */
  *announced(desired: Desired, plan: Plan | undefined, mode: string): Sliced<void> {
    const changes = yield* announcementChanges(this.#desired, desired, plan);
    this.#desired = desired;
    if (changes.length === 0) return;
    this.#write({
      what: 'announce',
      who: `the unit, mode ${mode}`,
      detail: {
        ...(plan ? { plan: plan.generation } : {}),
        changes: changes.slice(0, changesTold),
        ...(changes.length > changesTold ? { more: changes.length - changesTold } : {}),
      },
    });
  }

  close(): void {
    this.#log.close();
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
