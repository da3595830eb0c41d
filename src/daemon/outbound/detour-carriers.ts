/** How detours reach the routers: by a session of their own or by a driver; and what became of them. */
import { covers, formatPrefix, prefixOf } from '../../core/base/prefix.ts';
import { type LinkId, type PrefixText, prefixText, type RouterId } from '../../core/base/units.ts';
import type { Detour } from '../../core/bgp/detour.ts';
import type { Override } from '../../core/decide/egress/index.ts';
import type { Settings } from '../../core/settings/index.ts';
import type { InjectedDetour, Speaker } from '../../speaker/index.ts';
import type { Clock } from '../clock.ts';
import type { ConfiguredRouters } from '../routes/configured.ts';
import { insideOf } from '../routes/egress-routes.ts';
import type { ToldPaths } from '../routes/told-paths.ts';
import { DetourOrder, detourKey } from './detour-order.ts';
import type { ExportCheck } from './export-check.ts';
import { spreadRouter } from './marks/marked-router.ts';

type OutboundSettings = NonNullable<Settings['outbound']>;
const unread =
  'it has BGP customers, from whom NO_EXPORT would hide the prefix; with their addresses and a driver it is asked what it exports';
export type Carrier = 'session' | 'driver';

export class DetourCarriers {
  #settings: Settings;
  #outbound: OutboundSettings;
  readonly #speaker: Speaker;
  readonly #paths: ToldPaths;
  readonly #configured: ConfiguredRouters | undefined;
  readonly #order: DetourOrder;
  readonly #exports: ExportCheck | undefined;

  constructor(
    settings: Settings,
    outbound: OutboundSettings,
    speaker: Speaker,
    paths: ToldPaths,
    configured: ConfiguredRouters | undefined,
    clock: Pick<Clock, 'now' | 'after'>,
    exports?: ExportCheck,
  ) {
    this.#settings = settings;
    this.#outbound = outbound;
    this.#speaker = speaker;
    this.#paths = paths;
    this.#configured = configured;
    this.#exports = exports;
    this.#order = new DetourOrder(
      {
        tell: (router, detours) => this.#tellOne(router, detours),
        sentTo: (router) => this.#sentTo(router),
      },
      clock,
    );
    // A router that loses its own way out must be followed no longer.
    speaker.onChange(({ kind }) => {
      if (kind === 'egress_session' || kind === 'session') this.#order.look();
    });
  }

  adopt(settings: Settings, outbound: OutboundSettings): void {
    this.#settings = settings;
    this.#outbound = outbound;
  }

  /** Those that are decided for together: all that tell paths, or each by itself. */
  get scopes(): ReadonlyArray<readonly RouterId[]> {
    // Where sessions are marked nothing is left to detour.
    const marked = spreadRouter(this.#settings);
    const names = this.#settings.routers.flatMap(({ name, bgp, driver }) =>
      bgp && driver?.outbound !== 'sessions' && name !== marked ? [name] : [],
    );
    if (names.length === 0) return [];
    return this.#outbound.acrossRouters ? [names] : names.map((name) => [name]);
  }

  /** Why detours of these routers are only advised; undefined when they are carried out. */
  adviseOnly(routers: readonly RouterId[]): string | undefined {
    for (const router of routers) {
      const reason = this.#adviseOnly(router);
      if (reason !== undefined) return routers.length > 1 ? `${router}: ${reason}` : reason;
    }
    return undefined;
  }

  /** Tells every router; what is left out is taken back. */
  tell(overrides: readonly Override[]): void {
    const wanted = new Map<RouterId, Detour[]>(this.scopes.flat().map((router) => [router, []]));
    for (const override of overrides) {
      const owner = this.routerOf(override.link);
      const scope = this.scopes.find((routers) => routers.some((router) => router === owner));
      if (owner === undefined || !scope) continue;
      const own = this.#detourOf(override);
      wanted.get(owner)?.push(own);
      const inside = this.#insideOf(owner, override.destination);
      for (const router of scope)
        if (router !== owner && inside !== undefined)
          wanted.get(router)?.push({
            ...own,
            nextHop: inside,
            via: { router: owner, nextHop: own.nextHop },
          });
    }
    this.#order.set(wanted);
  }

  /** What the owner of each detour's link was told, with what became of it. */
  told(overrides: readonly Override[]): readonly InjectedDetour[] {
    return overrides.flatMap((override) => {
      const owner = this.routerOf(override.link);
      if (owner === undefined) return [];
      const detour = this.#detourOf(override);
      return [{ detour, ...this.#state(owner, detour) }];
    });
  }

  /** Asks the routers with BGP customers whether they export detours as they should. */
  checkExports(): void {
    for (const router of this.scopes.flat()) {
      if (!this.#exports?.has(router)) continue;
      const sent = [...this.#sentTo(router)].map((key) => prefixText(key.split(' ')[0] ?? ''));
      void this.#exports.look(router, sent);
    }
  }

  routerOf(link: LinkId): RouterId | undefined {
    return this.#settings.links.find(({ name }) => name === link)?.router;
  }

  /** The prefix that routers told for a destination: itself, or where it is a part of one the whole. */
  wholeOf(destination: PrefixText): PrefixText {
    const prefix = prefixOf(destination);
    const told = this.#paths.covering(prefix).find(({ length }) => length > 0);
    return told && covers(told, prefix) ? formatPrefix(told) : destination;
  }

  #tellOne(router: RouterId, wanted: readonly Detour[]): void {
    const detours = this.#exports?.allowed(router, wanted) ?? wanted;
    const carrier = this.#carriedBy(router);
    if (carrier === 'session') this.#speaker.setDetours(router, detours);
    if (carrier === 'driver')
      this.#configured?.setOutbound(router, {
        destinations: detours.map(({ prefix, nextHop }) => ({ prefix, gateway: nextHop })),
      });
  }

  #sentTo(router: RouterId): ReadonlySet<string> {
    const sent =
      this.#carriedBy(router) === 'session'
        ? this.#speaker
            .detours(router)
            .flatMap((told) => (told.state === 'sent' ? [told.detour] : []))
        : (this.#configured?.inForce(router).destinations ?? []).map(({ prefix, gateway }) => ({
            prefix,
            nextHop: gateway,
          }));
    return new Set(sent.map(detourKey));
  }

  #state(router: RouterId, { prefix, nextHop }: Detour): Pick<InjectedDetour, 'state' | 'reason'> {
    if (this.#carriedBy(router) === 'session') {
      const told = this.#speaker
        .detours(router)
        .find(({ detour }) => detour.prefix === prefix && detour.nextHop === nextHop);
      return told ?? { state: 'waiting', reason: 'another router must go first' };
    }
    const isDone = this.#configured
      ?.inForce(router)
      .destinations.some((entry) => entry.prefix === prefix && entry.gateway === nextHop);
    if (isDone) return { state: 'sent', reason: '' };
    const reason = this.#configured?.trouble(router) ?? 'the router is being configured';
    return { state: 'waiting', reason };
  }

  #adviseOnly(name: RouterId): string | undefined {
    const router = this.#settings.routers.find((entry) => entry.name === name);
    if (router?.bgpCustomers) {
      const refusal = this.#exports?.has(name) ? this.#exports.refusal(name) : unread;
      if (refusal !== undefined) return refusal;
    }
    const session = this.#speaker.sessions().find((entry) => entry.router === name);
    const carrier = this.#carriedBy(name);
    if (carrier === undefined)
      return 'it has no session for detours (set management.egress_address), no driver that carries them, nor marks on all links of this router alone';
    if (session?.phase === 'established' && this.#paths.allBy(name) === undefined)
      return 'it does not tell all its paths: set add_path on both sides, or let it tell them by BMP';
    return undefined;
  }

  /** Undefined when no detour reaches the router. */
  #carriedBy(name: RouterId): Carrier | undefined {
    const router = this.#settings.routers.find((entry) => entry.name === name);
    if (router?.driver?.outbound === 'destinations') return 'driver';
    const session = this.#speaker.sessions().find((entry) => entry.router === name);
    if (session?.egress) return 'session';
    return undefined;
  }

  #insideOf(name: RouterId, destination: PrefixText): string | undefined {
    const router = this.#settings.routers.find((entry) => entry.name === name);
    const isIpv6 = destination.includes(':');
    return router && insideOf(router).find((address) => address.includes(':') === isIpv6);
  }

  #detourOf({ destination, nextHop }: Override): Detour {
    const whole = this.wholeOf(destination);
    return {
      prefix: destination,
      nextHop,
      localPref: this.#outbound.localPreference,
      ...(whole === destination ? {} : { of: whole }),
    };
  }
}
