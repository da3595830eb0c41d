/** Opens the drivers of the routers that are configured. */
import type { RouterSettings, Settings } from '../core/settings/index.ts';
import { type DaemonAccess, openRouter, openShell, type RouterDriver } from '../router/index.ts';
import type { Speaker } from '../speaker/index.ts';
import { policyOf } from './configure.ts';
import { type ConfiguredOptions, ConfiguredRouters } from './configured.ts';

/** Undefined where settings give no router a driver. Touches no router yet. */
export function openConfigured(
  settings: Settings,
  speaker: Pick<Speaker, 'sessions'> | undefined,
  { clock, log }: Pick<ConfiguredOptions, 'clock' | 'log'>,
): ConfiguredRouters | undefined {
  const { holdMs } = policyOf(settings).rails;
  const leaseMs = Math.max(holdMs, leaseMsMin);
  const routers = settings.routers.flatMap((router) => {
    const { name, driver } = router;
    if (!driver) return [];
    return [
      {
        name,
        driver: openDriver(settings, router, driver, speaker, leaseMs),
        nextHop: driver.blocks ? (driver.nextHop ?? {}) : undefined,
        isOutbound: driver.outbound !== undefined,
      },
    ];
  });
  return routers.length === 0 ? undefined : new ConfiguredRouters({ routers, leaseMs, clock, log });
}

/** Shorter than this a router would be reminded all the time. */
const leaseMsMin = 15_000;

function openDriver(
  settings: Settings,
  { name, asn, bgp }: RouterSettings,
  driver: NonNullable<RouterSettings['driver']>,
  speaker: Pick<Speaker, 'sessions'> | undefined,
  leaseMs: number,
): RouterDriver {
  const { shell, timeout, folder } = driver;
  const gateways = settings.links.flatMap((link, i) => {
    if (link.router !== name) return [];
    const ipv4 = link.neighbor?.find((address) => !address.includes(':'));
    const ipv6 = link.neighbor?.find((address) => address.includes(':'));
    return [{ number: i + 1, ...(ipv4 ? { ipv4 } : {}), ...(ipv6 ? { ipv6 } : {}) }];
  });
  const isUp = () =>
    speaker?.sessions().find((session) => session.router === name)?.phase === 'established';
  return openRouter({
    shell: openShell(shell, timeout),
    folder,
    daemon: daemonAccess(driver, asn ?? settings.asn),
    gateways: driver.outbound === 'sessions' ? gateways : undefined,
    leaseS: Math.ceil(leaseMs / 1000),
    // A change that cuts the session which tells us the router's paths has cut our own access.
    ...(bgp && speaker ? { isSafe: async () => isUp() } : {}),
  });
}

function daemonAccess(
  { kind, file, socket, vtysh, blocks, outbound }: NonNullable<RouterSettings['driver']>,
  asn: number,
): DaemonAccess | undefined {
  if (!blocks && outbound !== 'destinations') return undefined;
  if (kind === 'frr') return { kind, asn, vtysh };
  if (kind === 'bird' && file !== undefined)
    return { kind, file, ...(socket === undefined ? {} : { socket }) };
  return undefined;
}
