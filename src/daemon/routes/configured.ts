/**
 * Routers that are configured in place of being spoken to: what each is to do, whether it does, and why not. Changes
 * are made one at a time and in the background; what a driver could not do is tried again, ever more seldom.
 */
import { HeadgateError } from '../../core/base/error.ts';
import type { RouterId } from '../../core/base/units.ts';
import type { Desired } from '../../core/bgp/announcement.ts';
import { emptyIntent, type RouterDriver, type RouterIntent } from '../../router/index.ts';
import type { AnnouncedRoute } from '../../speaker/index.ts';
import { type Clock, every } from '../clock.ts';
import type { Log } from '../log.ts';

/** A configured router and how it is reached. */
export interface ConfiguredRouter {
  readonly name: RouterId;
  readonly driver: RouterDriver;
  /** Inside next hops of our blocks by family, where it announces them. */
  readonly nextHop: { readonly ipv4?: string; readonly ipv6?: string } | undefined;
  /** It carries outbound traffic too. */
  readonly isOutbound: boolean;
}

export interface ConfiguredOptions {
  readonly routers: readonly ConfiguredRouter[];
  /** How long a router goes on by itself when we fall silent, ms; it is reminded three times as often. */
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** What became of the changes since the start. */
export type ConfiguredResult = 'applied' | 'unchanged' | 'rolled_back' | 'failed';

interface State {
  readonly router: ConfiguredRouter;
  wanted: RouterIntent;
  /** What was not decided yet since the start: until then an earlier run's configuration stays. */
  readonly awaits: Set<'blocks' | 'outbound'>;
  /** Confirmed by the router; undefined before the first time. */
  inForce: RouterIntent | undefined;
  trouble: string | undefined;
  failures: number;
  notBefore: number;
  isBusy: boolean;
  isDue: boolean;
}

/** Between a failure and the next try, ms: doubled each time up to the second. */
const retryMs = 10_000;
const retryMsMax = 3_600_000;

export class ConfiguredRouters {
  readonly #options: ConfiguredOptions;
  readonly #states: ReadonlyMap<RouterId, State>;
  readonly #cancel: () => void;
  readonly #counts = new Map<string, number>();
  #desired: Desired = new Map();
  #isHeld = false;
  #isStopped = false;
  #running = new Set<Promise<void>>();

  constructor(options: ConfiguredOptions) {
    this.#options = options;
    this.#states = new Map(
      options.routers.map((router) => [
        router.name,
        {
          router,
          wanted: emptyIntent,
          awaits: new Set([
            ...(router.nextHop ? (['blocks'] as const) : []),
            ...(router.isOutbound ? (['outbound'] as const) : []),
          ]),
          inForce: undefined,
          trouble: undefined,
          failures: 0,
          notBefore: 0,
          isBusy: false,
          isDue: false,
        },
      ]),
    );
    this.#cancel = every(options.clock, Math.max(1000, options.leaseMs / 3), () => {
      for (const state of this.#states.values()) this.#begin(state, true);
    });
  }

  /** By `ROUTER RESULT`, since the start. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  has(router: RouterId): boolean {
    return this.#states.has(router);
  }

  /** Announces blocks by the routers that are to; absent ones are taken back. */
  setBlocks(desired: Desired): void {
    this.#desired = desired;
    for (const [name, state] of this.#states) {
      const { nextHop } = state.router;
      if (!nextHop) continue;
      const blocks = (desired.get(name) ?? []).flatMap((block) => {
        const inside = block.prefix.includes(':') ? nextHop.ipv6 : nextHop.ipv4;
        // Carried by fewer routers than its links have, a block would draw all its traffic to these.
        const isAlone = (block.requires ?? []).some(
          (other) => other !== name && this.trouble(other) !== undefined,
        );
        // One path for each prefix is all that a static route can be.
        const isFurther = (block.pathId ?? 1) > 1;
        return inside === undefined || isAlone || isFurther ? [] : [{ ...block, nextHop: inside }];
      });
      state.awaits.delete('blocks');
      this.#want(state, { blocks });
    }
  }

  /** Routes destinations or sessions by one router; absent ones are taken back. */
  setOutbound(
    router: RouterId,
    part: Partial<Pick<RouterIntent, 'destinations' | 'sessions'>>,
  ): void {
    const state = this.#states.get(router);
    if (!state) return;
    state.awaits.delete('outbound');
    this.#want(state, part);
  }

  /** While held every router is back at its own configuration. */
  hold(isHeld: boolean): void {
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    for (const state of this.#states.values()) this.#begin(state);
  }

  /** What the router does of what it is to do. */
  inForce(router: RouterId): RouterIntent {
    return this.#states.get(router)?.inForce ?? emptyIntent;
  }

  /** Why a router does not do what it is to do; undefined while it does. */
  trouble(router: RouterId): string | undefined {
    return this.#states.get(router)?.trouble;
  }

  /** Whether the router was not yet configured since the start, and has not failed to be. */
  isFresh(router: RouterId): boolean {
    const state = this.#states.get(router);
    return state?.inForce === undefined && state?.trouble === undefined;
  }

  /** Blocks as the announcer would say it of a session. */
  announced(router: RouterId): readonly AnnouncedRoute[] {
    const state = this.#states.get(router);
    if (!state?.router.nextHop) return [];
    const done = new Set(this.inForce(router).blocks.map((block) => JSON.stringify(block)));
    return state.wanted.blocks.map((announcement) => ({
      announcement,
      nextHop: announcement.nextHop,
      ...(done.has(JSON.stringify(announcement))
        ? { state: 'sent' as const, reason: '' }
        : { state: 'waiting' as const, reason: state.trouble ?? 'the router is being configured' }),
    }));
  }

  /** Routers that announce blocks. */
  get announcers(): readonly RouterId[] {
    return [...this.#states].flatMap(([name, { router }]) => (router.nextHop ? [name] : []));
  }

  complaints(): ReadonlyMap<string, string> {
    return new Map(
      [...this.#states].flatMap(([name, { trouble }]) =>
        trouble === undefined
          ? []
          : [
              [
                `driver ${name}`,
                `router ${name} is not configured as planned: ${trouble}`,
              ] as const,
            ],
      ),
    );
  }

  /** Waits for what is under way. What is in force stays until its lease ends, so that a restart changes nothing. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await Promise.all(this.#running);
  }

  #want(state: State, part: Partial<RouterIntent>): void {
    const wanted = { ...state.wanted, ...part };
    if (same(wanted, state.wanted) && state.inForce !== undefined) return;
    state.wanted = wanted;
    this.#begin(state);
  }

  /** `isReminder`: also when nothing changed, to prolong the lease and to notice what somebody else changed. */
  #begin(state: State, isReminder = false): void {
    if (this.#isStopped || (state.awaits.size > 0 && !this.#isHeld)) return;
    if (state.isBusy) {
      state.isDue = true;
      return;
    }
    const wanted = this.#isHeld ? emptyIntent : state.wanted;
    const isDone = state.inForce !== undefined && same(state.inForce, wanted);
    if (isDone && state.trouble === undefined && !isReminder) return;
    if (this.#options.clock.now() < state.notBefore) return;
    state.isBusy = true;
    state.isDue = false;
    const run = this.#apply(state, wanted).finally(() => {
      this.#running.delete(run);
      state.isBusy = false;
      if (state.isDue) this.#begin(state);
    });
    this.#running.add(run);
  }

  async #apply(state: State, wanted: RouterIntent): Promise<void> {
    const { name, driver } = state.router;
    const { log } = this.#options;
    try {
      const applied = await driver.apply(wanted);
      this.#count(name, applied.result);
      if (applied.result === 'rolled_back') return this.#fail(state, applied.reason);
      if (applied.result === 'applied') {
        const { added, removed } = applied.diff;
        log.info(
          { router: name, added: added.length, removed: removed.length },
          `router ${name} is configured`,
        );
      }
      const wasInTrouble = state.trouble !== undefined;
      state.inForce = wanted;
      state.trouble = undefined;
      state.failures = 0;
      state.notBefore = 0;
      if (wasInTrouble) this.setBlocks(this.#desired);
    } catch (error) {
      if (!(error instanceof HeadgateError)) throw error;
      this.#count(name, 'failed');
      this.#fail(state, error.message);
    }
  }

  #fail(state: State, trouble: string): void {
    const { clock, log } = this.#options;
    const waitMs = Math.min(retryMs * 2 ** state.failures, retryMsMax);
    state.failures++;
    state.trouble = trouble;
    state.notBefore = clock.now() + waitMs;
    log.warn({ router: state.router.name, waitMs }, `router not configured: ${trouble}`);
    clock.after(waitMs, () => this.#begin(state, true));
    this.setBlocks(this.#desired);
  }

  #count(router: RouterId, result: ConfiguredResult): void {
    const key = `${router} ${result}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }
}

/** Both were rendered in the order of the plan, which does not depend on that of its input. */
const same = (a: RouterIntent, b: RouterIntent): boolean => JSON.stringify(a) === JSON.stringify(b);
