import type { PortFacts } from './ports.ts';
import type { Driver } from './snapshot.ts';

export interface DriverChoice {
  readonly driver: Driver;
  readonly reason: string;
}

/** Cards whose Linux drivers take and give frames by XDP redirect without a copy to a buffer. */
const nativeXdp: ReadonlySet<string> = new Set([
  ...['ice', 'i40e', 'ixgbe', 'igb', 'igc', 'mlx5_core', 'bnxt_en', 'ena', 'qede'],
  ...['sfc', 'mvneta', 'mvpp2', 'dpaa2-eth', 'ixgbevf', 'gve'],
]);

/** What `auto` chooses for a wire whose ports are these; installing puts it into force. Pure. */
export function chooseDriver(ports: readonly PortFacts[]): DriverChoice {
  const fast = ports.length > 0 && ports.every(({ driver }) => nativeXdp.has(driver));
  return fast
    ? { driver: 'xdp', reason: 'both cards take and give frames by native XDP' }
    : { driver: 'tc', reason: 'the kernel forwards on every interface and keeps all offloads' };
}
