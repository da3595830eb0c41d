import { HeadgateError } from '../core/base/error.ts';
import { chooseDriver, type DriverChoice } from './choice.ts';
import { readInstalled } from './install.ts';
import type { WireOptions } from './options.ts';
import { type PortFacts, portNames, readPort } from './ports.ts';
import type { Driver } from './snapshot.ts';

/** What would carry a wire, and why. */
export interface WireAdvice extends DriverChoice {
  /** What stands in the way on this machine, and what to set. Empty: nothing known. */
  readonly findings: readonly string[];
}

/** What a driver asks of a port and of the other end of its cable that is not so. Pure. */
export function unfitness(driver: Driver, name: string, port: PortFacts): readonly string[] {
  const findings: string[] = [];
  if (!port.isUp) findings.push(`interface ${name} is down: ip link set ${name} up`);
  else if (!port.hasCarrier) findings.push(`interface ${name} has no carrier`);
  if (driver !== 'xdp') return findings;
  const { peer } = port;
  if (!peer) {
    if (port.driver === 'veth')
      findings.push(
        `interface ${name} is a virtual Ethernet whose other end cannot be seen from here: there, ethtool -K … tx off txvlan off gro on`,
      );
    return findings;
  }
  const lacking = [
    peer.finishesChecksums ? '' : 'tx off',
    peer.tagsInFrame ? '' : 'txvlan off',
    peer.takesFrames ? '' : 'gro on',
  ].filter((setting) => setting !== '');
  if (lacking.length === 0) return findings;
  const there = peer.space === '' ? '' : `ip netns exec ${peer.space} `;
  const why = [
    peer.finishesChecksums ? '' : 'TCP leaves it with unfinished checksums',
    peer.tagsInFrame ? '' : 'its 802.1q tags get lost',
    peer.takesFrames ? '' : 'it takes no frames from XDP',
  ].filter((reason) => reason !== '');
  findings.push(
    `${peer.name}, the other end of ${name}, is unfit for driver xdp (${why.join(', ')}): ${there}ethtool -K ${peer.name} ${lacking.join(' ')}; or set driver: tc`,
  );
  return findings;
}

/** Looks at a wire's ports on this machine. */
export function adviseWire(wire: WireOptions): WireAdvice {
  const names = portNames(wire);
  const findings: string[] = [];
  const ports = names.flatMap((name) => {
    try {
      return [readPort(name)];
    } catch (error) {
      if (!(error instanceof HeadgateError)) throw error;
      findings.push(error.message);
      return [];
    }
  });
  const chosen = driverOf(wire, ports);
  if (ports.length === names.length) {
    for (const [i, port] of ports.entries())
      findings.push(...unfitness(chosen.driver, names[i] ?? '', port));
    const [inside, outside] = ports;
    if (inside && outside && inside.mtu !== outside.mtu)
      findings.push(
        `interface ${names[0]} has MTU ${inside.mtu} and ${names[1]} has ${outside.mtu}: set both alike`,
      );
  }
  return { ...chosen, findings };
}

function driverOf(wire: WireOptions, ports: readonly PortFacts[]): DriverChoice {
  if (wire.driver !== 'auto') return { driver: wire.driver, reason: 'set' };
  const { driver } = readInstalled(wire.name);
  if (driver) return { driver, reason: 'installed on the ports' };
  const { driver: best, reason } = chooseDriver(ports);
  return {
    driver: 'af_packet',
    reason: `nothing is installed, and this works on every interface; headgate wire install puts ${best} in place: ${reason}`,
  };
}
