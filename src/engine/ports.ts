import { machine } from './machine.ts';
import { loadNative } from './native.ts';
import type { WireOptions } from './options.ts';

/** What this machine says of an interface. */
export interface PortFacts {
  readonly mtu: number;
  readonly isUp: boolean;
  readonly hasCarrier: boolean;
  /** The kernel's name of it, such as `ixgbe` or `veth`. */
  readonly driver: string;
  /** The other end of a virtual Ethernet, where it can be seen from here. */
  readonly peer?: {
    /** Name of its network namespace; empty for ours. */
    readonly space: string;
    readonly name: string;
    readonly finishesChecksums: boolean;
    readonly tagsInFrame: boolean;
    readonly takesFrames: boolean;
  };
}

interface Native {
  portFacts(name: string): PortFacts;
}

/** Throws HeadgateError `interface_missing`. */
export function readPort(name: string): PortFacts {
  const native = loadNative<Native>();
  return machine(() => native.portFacts(name));
}

export const portNames = ({ inside, outside }: WireOptions): readonly string[] =>
  outside === undefined ? [inside] : [inside, outside];

/** Throws HeadgateError `interface_missing`. */
export const portsOf = (wire: WireOptions): readonly PortFacts[] => portNames(wire).map(readPort);
