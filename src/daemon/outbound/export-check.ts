/**
 * Routers with BGP customers: there the policy takes NO_EXPORT off our detours, so that customers go on hearing the
 * prefix, and keeps them from everybody else by our marker. That it does is not believed but read back, from the router
 * itself: first of a single detour, then of one after the other.
 */
import { HeadgateError } from '../../core/base/error.ts';
import type { PrefixText, RouterId } from '../../core/base/units.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';

/** One router, and how it is asked. */
export interface CheckedRouter {
  /** The neighbours, by address, that the router tells a prefix to; of those asked for. */
  readonly advertisedTo: (
    prefix: PrefixText,
    neighbors: readonly string[],
  ) => Promise<ReadonlySet<string>>;
  readonly providers: readonly string[];
  readonly customers: readonly string[];
}

interface State {
  readonly router: CheckedRouter;
  /** Since when the detour on trial is told; undefined while none is. */
  trialSince: number | undefined;
  isVerified: boolean;
  refused: { readonly reason: string; readonly until: number } | undefined;
  isAsking: boolean;
  looks: number;
}

/** What a router may take until its customers hear of a detour, ms. */
export const showMs = 15_000;

export class ExportCheck {
  readonly #states: ReadonlyMap<RouterId, State>;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #log: Log;
  /** How long a router that failed is left alone, ms. */
  readonly #restMs: number;
  readonly #changed: () => void;

  /** `changed`: what a router may be told is not what it was. */
  constructor(
    routers: ReadonlyMap<RouterId, CheckedRouter>,
    clock: Pick<Clock, 'now'>,
    log: Log,
    restMs: number,
    changed: () => void,
  ) {
    this.#states = new Map(
      [...routers].map(([name, router]) => [
        name,
        {
          router,
          trialSince: undefined,
          isVerified: false,
          refused: undefined,
          isAsking: false,
          looks: 0,
        },
      ]),
    );
    this.#clock = clock;
    this.#log = log;
    this.#restMs = restMs;
    this.#changed = changed;
  }

  /** Whether the router can be asked at all. */
  has(router: RouterId): boolean {
    return this.#states.has(router);
  }

  /** Why the router is to be told nothing; undefined while it is trusted, or tried. */
  refusal(router: RouterId): string | undefined {
    const refused = this.#states.get(router)?.refused;
    return refused && this.#clock.now() < refused.until ? refused.reason : undefined;
  }

  /** Of what it should be told, what it may be: one until it has shown what it does. */
  allowed<T>(router: RouterId, detours: readonly T[]): readonly T[] {
    const state = this.#states.get(router);
    if (!state || state.isVerified) return detours;
    return this.refusal(router) === undefined ? detours.slice(0, 1) : [];
  }

  /** Asks the router about one of the detours that it was told. */
  async look(router: RouterId, sent: readonly PrefixText[]): Promise<void> {
    const state = this.#states.get(router);
    if (!state || state.isAsking || this.refusal(router) !== undefined) return;
    const prefix = sent[state.looks++ % Math.max(1, sent.length)];
    if (prefix === undefined) {
      state.trialSince = undefined;
      return;
    }
    state.trialSince ??= this.#clock.now();
    state.isAsking = true;
    try {
      const { advertisedTo, providers, customers } = state.router;
      const told = await advertisedTo(prefix, [...providers, ...customers]);
      this.#judge(router, state, {
        leak: providers.find((address) => told.has(address)),
        missing: customers.find((address) => !told.has(address)),
        prefix,
      });
    } catch (error) {
      if (!(error instanceof HeadgateError)) throw error;
      this.#refuse(router, state, `it cannot be asked what it exports: ${error.message}`);
    } finally {
      state.isAsking = false;
    }
  }

  #judge(
    router: RouterId,
    state: State,
    seen: {
      readonly prefix: PrefixText;
      readonly leak: string | undefined;
      readonly missing: string | undefined;
    },
  ): void {
    const { prefix, leak, missing } = seen;
    const waitedMs = this.#clock.now() - (state.trialSince ?? 0);
    if (leak !== undefined) {
      this.#refuse(router, state, `it tells ${leak} of the detour ${prefix}`);
    } else if (missing !== undefined) {
      if (state.isVerified || waitedMs > showMs)
        this.#refuse(router, state, `it hides the detour ${prefix} from its customer ${missing}`);
    } else if (!state.isVerified) {
      state.isVerified = true;
      this.#log.info({ router, prefix }, 'export policy by marker verified by reading back');
      this.#changed();
    }
  }

  #refuse(router: RouterId, state: State, reason: string): void {
    state.isVerified = false;
    state.trialSince = undefined;
    state.refused = { reason, until: this.#clock.now() + this.#restMs };
    this.#log.warn({ router }, `detours are taken back: ${reason}`);
    this.#changed();
  }
}
