/** Whose links the sessions of our hosts are marked for. Pure. */
import type { RouterId } from '../../../core/base/units.ts';
import type { Settings } from '../../../core/settings/index.ts';
import { peeringsOf } from '../../configure.ts';

/**
 * Routers that nobody else tells of outbound traffic (no session for detours, no driver), and whose links all have a mark
 * and a wire behind which the router reads it.
 */
export function markedRouters(settings: Settings): readonly RouterId[] {
  if (!settings.outbound) return [];
  const injected = new Set(
    peeringsOf(settings).flatMap((peering) => (peering.egressAddress ? [peering.name] : [])),
  );
  return settings.routers.flatMap(({ name, bgp, driver }) => {
    if (!bgp || driver?.outbound !== undefined || injected.has(name)) return [];
    const own = settings.links.filter(({ router }) => router === name);
    const isMarked = own.every(
      ({ mark, attribute }) =>
        mark !== undefined &&
        settings.wires.some((wire) => wire.name === attribute?.wire && wire.place === 'inside'),
    );
    return own.length > 0 && isMarked ? [name] : [];
  });
}

/** The one whose links sessions are spread over; of several none, since a wire's packets reach them by other rules. */
export function spreadRouter(settings: Settings): RouterId | undefined {
  const [router, ...others] = markedRouters(settings);
  return others.length === 0 ? router : undefined;
}
