import type { Settings } from '../../core/settings/index.ts';
import type { PolledRouter } from './poller.ts';

/** The routers that are read, each with the links whose `interface` settings name. */
export function polledRoutersOf(settings: Pick<Settings, 'routers' | 'links'>): PolledRouter[] {
  return settings.routers.flatMap(({ name, address, snmp }) => {
    const links = settings.links.flatMap((link) =>
      link.router === name && link.interface !== undefined
        ? [{ link: link.name, interface: link.interface }]
        : [],
    );
    if (snmp === undefined || links.length === 0) return [];
    return [{ router: name, address, settings: snmp, links }];
  });
}
