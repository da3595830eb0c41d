import { HeadgateError } from '../core/base/error.ts';
import { chooseDriver } from './choice.ts';
import { drivers } from './drivers.ts';
import { machine } from './machine.ts';
import { builtPath, loadNative } from './native.ts';
import type { WireOptions } from './options.ts';
import { portsOf } from './ports.ts';
import { readBypassed } from './records.ts';
import type { Driver, PathCount } from './snapshot.ts';

export interface InstalledStatus {
  readonly wire: string;
  /** The driver that was installed, undefined where none was. */
  readonly driver?: Driver;
  /**
   * `unit`: headgate is there: it forwards (af_packet) or measures (tc, xdp); `bypass`: the kernel forwards by itself;
   * `none`: nothing is installed, so that nobody forwards while headgate is away.
   */
  readonly path: 'unit' | 'bypass' | 'none';
  /** Since the packet loop last showed that it lives; undefined when it never did, or ended in order. */
  readonly heartbeatAgeMs?: number;
  readonly staleMs?: number;
  /** Forwarded by the kernel since the gate was installed. */
  readonly bypass?: { readonly inbound: PathCount; readonly outbound: PathCount };
}

interface Native {
  gateInstall(options: {
    wire: string;
    inside: string;
    outside: string;
    driver: Driver;
    object: string;
    staleMs: number;
  }): void;
  gateRelease(wire: string): void;
  gateStatus(wire: string): {
    ageMs?: number;
    program: number;
    staleMs: number;
    bypass: ArrayBuffer;
  };
}

/** A packet loop that is silent for this long is bypassed. */
export const defaultStaleMs = 20;

const programObject = builtPath('wire.bpf.o');

/**
 * Puts the kernel's program for the wire's driver on both ports (DESIGN.md section 4). From then on the kernel forwards:
 * with `af_packet` whenever no packet loop does, with `tc` and `xdp` always. `auto` keeps what is installed, else takes
 * what suits the ports best. Doing it again replaces the program without a gap.
 */
export function installWire(wire: WireOptions, staleMs: number = defaultStaleMs): void {
  const { name, inside, outside } = wire;
  const driver = installable(wire);
  if (outside === undefined || driver === 'mirror')
    throw new HeadgateError(
      'driver_unfit',
      `wire ${name} forwards nothing: there is nothing to install`,
    );
  const native = loadNative<Native>();
  machine(() =>
    native.gateInstall({ wire: name, inside, outside, driver, object: programObject, staleMs }),
  );
}

function installable(wire: WireOptions): Driver {
  if (wire.driver !== 'auto') return wire.driver;
  return readInstalled(wire.name).driver ?? chooseDriver(portsOf(wire)).driver;
}

/** Takes off what installWire put on. Throws HeadgateError `not_installed` when there is nothing. */
export function releaseWire(wire: string): void {
  const native = loadNative<Native>();
  machine(() => native.gateRelease(wire));
}

export function readInstalled(wire: string): InstalledStatus {
  const native = loadNative<Native>();
  try {
    const { ageMs, program, staleMs, bypass } = machine(() => native.gateStatus(wire));
    const [inbound, outbound] = readBypassed(bypass);
    const isFresh = ageMs !== undefined && ageMs < staleMs;
    const driver = drivers[program];
    return {
      wire,
      ...(driver === undefined ? {} : { driver }),
      path: isFresh ? 'unit' : 'bypass',
      ...(ageMs === undefined ? {} : { heartbeatAgeMs: ageMs }),
      staleMs,
      bypass: { inbound, outbound },
    };
  } catch (error) {
    if (error instanceof HeadgateError && error.code === 'not_installed')
      return { wire, path: 'none' };
    throw error;
  }
}
