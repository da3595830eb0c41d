/** What a border router says of itself to a unit that stands beside it: a real snmpd, and softflowd per link. Pure. */
import type { BorderRouter, Provider, Topology } from './topology.ts';

export const community = 'headgate-lab';
/** Where the unit listens for IPFIX. */
export const flowPort = 4739;
/** Where softflowd locks itself in; without it, as after a boot without systemd, it ends and says nothing. */
export const exporterRoot = '/var/run/softflowd/chroot';

export function renderSnmpd(router: Pick<BorderRouter, 'management'>): string {
  return `agentaddress udp:${router.management}:161\nrwcommunity ${community}\n`;
}

/** `folder` takes what the agent would else write to the machine's own. */
export function snmpdCommand(
  folder: string,
  router: Pick<BorderRouter, 'name'>,
): readonly string[] {
  const base = `${folder}/${router.name}-snmpd`;
  return [
    ...['env', `SNMP_PERSISTENT_DIR=${base}`],
    ...['snmpd', '-Ln', '-C', '-c', `${base}.conf`, '-p', `${base}.pid`],
  ];
}

/** The agent keeps interface counters for up to three seconds; to the lab's scale of time that is long: one here. */
export function snmpCacheCommand(router: Pick<BorderRouter, 'management'>): readonly string[] {
  // nsCacheTimeout of ifTable, which ifXTable shares.
  const timeout = '.1.3.6.1.4.1.8072.1.5.3.1.2.1.3.6.1.2.1.2.2';
  return [
    ...['snmpset', '-v2c', '-c', community, '-t', '1', '-r', '10'],
    ...[router.management, timeout, 'i', '1'],
  ];
}

/** Every flow, also one that goes on, is exported within about two seconds. */
const timeouts = ['maxlife', 'expint', 'tcp', 'tcp.rst', 'tcp.fin', 'udp', 'icmp', 'general'];

/** Where the process number of a link's exporter is. */
export const exporterPidFile = (folder: string, { router, name }: Provider): string =>
  `${folder}/${router}-${name}-softflowd.pid`;

/** Counts both directions of a provider's link and names the interface by the number that SNMP gives it. */
export function softflowdCommand(
  folder: string,
  topology: Topology,
  provider: Provider,
  ifIndex: number,
): readonly string[] {
  const pidFile = exporterPidFile(folder, provider);
  return [
    ...['softflowd', '-i', `${ifIndex}:${provider.name}`, '-n', `${topology.unit}:${flowPort}`],
    ...['-v', '10', '-p', pidFile, '-c', `${pidFile}.ctl`],
    ...timeouts.flatMap((name) => ['-t', `${name}=1`]),
  ];
}
