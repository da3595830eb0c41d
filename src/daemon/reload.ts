import type { Settings } from '../core/settings/index.ts';

/** What holds sockets, ports or files, or is the promise that the speaker's rails were made from. */
const fixed = [
  'asn',
  'networks',
  'management',
  'wires',
  'routers',
  'control',
  'metrics',
  'history',
  'record',
  'flows',
  'probe',
  'dns',
  'log',
] as const satisfies readonly (keyof Settings)[];

/** The keys that differ although they cannot change while a unit runs. */
export function fixedChanges(before: Settings, after: Settings): readonly string[] {
  const differs = (key: keyof Settings) =>
    JSON.stringify(before[key]) !== JSON.stringify(after[key]);
  const floor = JSON.stringify(before.steering.floor) !== JSON.stringify(after.steering.floor);
  return [...fixed.filter(differs), ...(floor ? ['steering.floor'] : [])];
}
