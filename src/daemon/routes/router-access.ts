/** Opens the drivers of the routers that are configured. */
import type { RouterSettings, Settings } from '../../core/settings/index.ts';
import {
  type DaemonAccess,
  openReader,
  openRouter,
  openShell,
  type RouterDriver,
} from '../../router/index.ts';
import type { Speaker } from '../../speaker/index.ts';
import { policyOf } from '../configure.ts';
import { type CheckedRouter, ExportCheck } from '../outbound/export-check.ts';
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
    // One that is there to be asked is not configured.
    if (!driver || (!driver.blocks && driver.outbound === undefined)) return [];
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

/** Routers with BGP customers that can be asked what they export; undefined where there is none. */
export function openExportCheck(
  settings: Settings,
  { clock, log }: Pick<ConfiguredOptions, 'clock' | 'log'>,
  changed: () => void,
): ExportCheck | undefined {
  const routers = settings.routers.flatMap(({ name, asn, driver, bgpCustomers }) => {
    const daemon = driver && daemonOf(driver, asn ?? settings.asn);
    // A cast: Array.isArray does not narrow readonly arrays.
    const customers = Array.isArray(bgpCustomers) ? (bgpCustomers as readonly string[]) : [];
    if (!daemon || customers.length === 0) return [];
    const reader = openReader(daemon, openShell(driver.shell, driver.timeout));
    const providers = settings.links.flatMap((link) =>
      link.router === name ? (link.neighbor ?? []) : [],
    );
    const advertisedTo: CheckedRouter['advertisedTo'] = (prefix, neighbors) =>
      reader.advertisedTo(prefix, neighbors);
    return [[name, { advertisedTo, providers, customers }] as const];
  });
  if (routers.length === 0) return undefined;
  const { holdMs } = policyOf(settings).rails;
  return new ExportCheck(new Map(routers), clock, log, holdMs, changed);
}

/** Longer than a change is on trial: what is gone back to then must not outlive the lease. */
const leaseMsMin = 45_000;

function openDriver(
  settings: Settings,
  { name, asn, bgp }: RouterSettings,
  driver: NonNullable<RouterSettings['driver']>,
  speaker: Pick<Speaker, 'sessions'> | undefined,
  leaseMs: number,
): RouterDriver {
  const { shell, timeout, folder } = driver;
  const isSpoken = driver.blocks || driver.outbound === 'destinations';
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
    daemon: isSpoken ? daemonOf(driver, asn ?? settings.asn) : undefined,
    gateways: driver.outbound === 'sessions' ? gateways : undefined,
    leaseS: Math.ceil(leaseMs / 1000),
    // A change that cuts the session which tells us the router's paths has cut our own access.
    ...(bgp && speaker ? { isSafe: async () => isUp() } : {}),
  });
}

function daemonOf(
  { kind, file, socket, vtysh }: NonNullable<RouterSettings['driver']>,
  asn: number,
): DaemonAccess | undefined {
  if (kind === 'frr') return { kind, asn, vtysh };
  if (kind === 'bird' && file !== undefined)
    return { kind, file, ...(socket === undefined ? {} : { socket }) };
  return undefined;
}
