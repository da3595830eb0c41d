import type { LinkSettings, Settings } from '../core/settings/index.ts';

/** What holds sockets, ports or files, or is the promise that the speaker's rails were made from. */
const fixed = [
  'asn',
  'networks',
  'management',
  'wires',
  'measure',
  'routers',
  'control',
  'metrics',
  'history',
  'record',
  'flows',
  'rpki',
  'bmp',
  'mrt',
  'proximity',
  'outbound',
  'probe',
  'dns',
  'cluster',
  'log',
] as const satisfies readonly (keyof Settings)[];

/** The keys that differ although they cannot change while a unit runs. */
export function fixedChanges(before: Settings, after: Settings): readonly string[] {
  const floor = differ(before.steering.floor, after.steering.floor);
  const links = differ(before.links.map(fixedOf), after.links.map(fixedOf));
  // What counts destinations is opened at start.
  const outbound = (before.outbound === undefined) !== (after.outbound === undefined);
  return [
    ...fixed.filter((key) => differ(before[key], after[key])),
    ...(links ? ['links (but for capacity, port, price, attribute and mark)'] : []),
    ...(floor ? ['steering.floor'] : []),
    ...(outbound ? ['outbound (as a whole)'] : []),
  ];
}

/** The keys that differ. */
export function changedKeys(before: Settings, after: Settings): readonly string[] {
  // A cast: Object.keys forgets that these are the keys of settings.
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])] as (keyof Settings)[];
  return keys.filter((key) => differ(before[key], after[key])).sort();
}

/** Of a link what communities, probes and polls were made from: its place, name, router, addresses. */
function fixedOf({
  capacity,
  port,
  price,
  attribute,
  mark,
  outboundThreshold,
  ...rest
}: LinkSettings): object {
  return rest;
}

const differ = (a: unknown, b: unknown) => JSON.stringify(a) !== JSON.stringify(b);
