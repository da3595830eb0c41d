import { fileURLToPath } from 'node:url';
import { HeadgateError } from '../core/base/error.ts';
import { machine } from './machine.ts';
import { loadNative } from './native.ts';
import type { WireOptions } from './options.ts';
import { readBypassed } from './records.ts';
import type { PathCount } from './snapshot.ts';

export interface GateStatus {
  readonly wire: string;
  /** `unit`: headgate forwards; `bypass`: the kernel does; `none`: no gate, so that nobody does while headgate is away. */
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
    object: string;
    staleMs: number;
  }): void;
  gateRelease(wire: string): void;
  gateStatus(wire: string): { ageMs?: number; staleMs: number; bypass: ArrayBuffer };
}

/** A packet loop that is silent for this long is bypassed. */
export const defaultStaleMs = 20;

const gateObject = fileURLToPath(new URL('../../../build/Release/gate.bpf.o', import.meta.url));

/**
 * Puts the fail-open gate on both ports of a wire (DESIGN.md section 4): from then on the kernel forwards whenever no
 * packet loop does. Doing it again replaces the program without a gap.
 */
export function installGate(wire: WireOptions, staleMs: number = defaultStaleMs): void {
  const { name, inside, outside } = wire;
  if (outside === undefined)
    throw new HeadgateError('driver_unfit', `wire ${name} forwards nothing: it needs no gate`);
  const native = loadNative<Native>();
  machine(() => native.gateInstall({ wire: name, inside, outside, object: gateObject, staleMs }));
}

/** Takes off what installGate put on. Throws HeadgateError `not_installed` when there is nothing. */
export function releaseGate(wire: string): void {
  const native = loadNative<Native>();
  machine(() => native.gateRelease(wire));
}

export function readGate(wire: string): GateStatus {
  const native = loadNative<Native>();
  try {
    const { ageMs, staleMs, bypass } = machine(() => native.gateStatus(wire));
    const [inbound, outbound] = readBypassed(bypass);
    const isFresh = ageMs !== undefined && ageMs < staleMs;
    return {
      wire,
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
