/** Whose wires, routers and links are, and what of several units contradicts itself. */
import { covers, prefixOf } from '../base/prefix.ts';
import type { ClusterSettings } from './cluster.ts';
import type { Complaint } from './complaint.ts';
import type { ParsedSettings } from './schema.ts';

/** Which wires, routers and links a unit has. Without a cluster every one is its own. */
export function isOwnedBy(
  owned: { readonly unit?: readonly string[] },
  unit: string | undefined,
): boolean {
  return unit === undefined || owned.unit?.includes(unit) === true;
}

/** The units that have a link: those of its router, else those of its wire. */
export function unitsOfLink(
  { routers, wires }: Pick<ParsedSettings, 'routers' | 'wires'>,
  { router, attribute }: ParsedSettings['links'][number],
): readonly string[] {
  const own = routers.find((entry) => entry.name === router);
  if (own) return own.unit ?? [];
  return wires.flatMap((wire) => (wire.name === attribute?.wire ? (wire.unit ?? []) : []));
}

export function clusterComplaints(settings: ParsedSettings): Complaint[] {
  const { cluster } = settings;
  return cluster
    ? [
        ...ownerComplaints(settings, new Set(cluster.units.map((entry) => entry.name))),
        ...unitComplaints(settings, cluster),
        ...meetingComplaints(settings, cluster),
        ...pairComplaints(settings),
      ]
    : (['wires', 'routers'] as const).flatMap((key) =>
        settings[key].flatMap((entry, i) =>
          entry.unit === undefined
            ? []
            : [{ path: [key, i, 'unit'], message: 'units are named in cluster: which is not set' }],
        ),
      );
}

function ownerComplaints(settings: ParsedSettings, known: ReadonlySet<string>): Complaint[] {
  const owned = (['wires', 'routers'] as const).flatMap((key) =>
    settings[key].flatMap(({ unit }, i): Complaint[] => {
      if (!unit?.length)
        return [{ path: [key, i], message: 'expected unit: which of cluster.units has it' }];
      return unit.flatMap((entry) =>
        known.has(entry)
          ? []
          : [{ path: [key, i, 'unit'], message: `"${entry}" is none of cluster.units` }],
      );
    }),
  );
  const links = settings.links.flatMap((link, i) =>
    unitsOfLink(settings, link).length > 0
      ? []
      : [{ path: ['links', i], message: 'expected router or attribute: which unit has this link' }],
  );
  return [...owned, ...links];
}

function unitComplaints(
  { networks, management }: ParsedSettings,
  cluster: ClusterSettings,
): Complaint[] {
  const complaints: Complaint[] = [];
  const { units, unit: own } = cluster;
  if (own !== undefined && !units.some((entry) => entry.name === own)) {
    complaints.push({ path: ['cluster', 'unit'], message: `"${own}" is none of cluster.units` });
  }
  for (const [i, { name: unit, portion = [], address, egressAddress }] of units.entries()) {
    const path = ['cluster', 'units', i];
    const isOwn = unit === own;
    for (const [key, there, here] of [
      ['address', address, management.address],
      ['egress_address', egressAddress, management.egressAddress],
    ] as const) {
      if (isOwn && there !== undefined && here !== undefined && there !== here)
        complaints.push({
          path: [...path, key],
          message: `expected ${here}, as management.${key} of this unit says`,
        });
    }
    if (units.findIndex((entry) => entry.name === unit) < i)
      complaints.push({ path, message: `"${unit}" is taken; expected a name of its own` });
    for (const [j, text] of portion.entries()) {
      const part = prefixOf(text);
      if (!networks.some((network) => covers(prefixOf(network), part)))
        complaints.push({
          path: [...path, 'portion', j],
          message: `${text} is in none of networks`,
        });
      // Two units of a pair have the same portion; what they have in part is a mistake.
      const other = units
        .slice(0, i)
        .find((entry) =>
          entry.portion?.some((there) => there !== text && overlap(prefixOf(there), part)),
        );
      if (other)
        complaints.push({
          path: [...path, 'portion', j],
          message: `${text} lies in the portion of ${other.name} in part`,
        });
    }
  }
  return complaints;
}

/** Outbound of a pair is decided by one of them, for all routers that it speaks with; a driver writes from one place alone. */
function pairComplaints({ routers, outbound }: ParsedSettings): Complaint[] {
  return routers.flatMap(({ unit = [], driver, bgp }, i): Complaint[] => {
    const path = ['routers', i, 'unit'];
    if (unit.length < 2) return [];
    if (driver)
      return [{ path, message: 'two units would both write its configuration: expected one' }];
    const other = routers.find(
      (entry) =>
        entry.bgp &&
        entry.unit?.some((name) => unit.includes(name)) &&
        !unit.every((name) => entry.unit?.includes(name)),
    );
    return outbound && bgp && other
      ? [
          {
            path,
            message: `${unit.join(' and ')} share this router and not ${other.name}: with outbound, units that share a router share all that they speak with`,
          },
        ]
      : [];
  });
}

const overlap = (a: ReturnType<typeof prefixOf>, b: ReturnType<typeof prefixOf>): boolean =>
  a.family === b.family && (covers(a, b) || covers(b, a));

function meetingComplaints(
  { rails, timeScale, routers }: ParsedSettings,
  { servers, tls, credentials, nkey, lease, silent, hold }: ClusterSettings,
): Complaint[] {
  const complaints: Complaint[] = [];
  if (credentials !== undefined && nkey !== undefined)
    complaints.push({
      path: ['cluster', 'nkey'],
      message: 'expected credentials or nkey, not both',
    });
  const isAuthenticated = tls && (credentials ?? nkey ?? tls.cert) !== undefined;
  if (!isAuthenticated && !servers.every(isLoopback))
    complaints.push({
      path: ['cluster', 'servers'],
      message:
        'outside loopback expected tls, and credentials, nkey or tls.cert: else anybody could speak as a unit',
    });
  if (lease < 500)
    complaints.push({ path: ['cluster', 'lease'], message: 'expected at least 500ms' });
  if (silent < lease)
    complaints.push({
      path: ['cluster', 'silent'],
      message: 'expected no less than lease: a unit is heard three times in it',
    });
  // Frozen for the whole of rails.hold everything would return to plain BGP, not only what the lost unit had.
  const railsHold = rails.hold ?? 3_600_000 / timeScale;
  if (2 * silent + hold >= railsHold)
    complaints.push({
      path: ['cluster', 'hold'],
      message: `expected less: twice silent and hold together must be shorter than rails.hold (${railsHold / 1000}s), or one lost unit would send all to plain BGP`,
    });
  // The routers of a unit that died or stands still must have forgotten it when the others take its blocks over.
  const kept = routers.flatMap(({ bgp }) =>
    bgp ? [bgp.holdTime ?? 90_000, bgp.gracefulRestart ?? 120_000] : [],
  );
  const longest = Math.max(0, ...kept);
  if (2 * silent + hold < longest)
    complaints.push({
      path: ['cluster', 'hold'],
      message: `expected more: with twice silent no less than ${longest / 1000}s, for which routers keep what a dead unit announced (bgp.hold_time, bgp.graceful_restart)`,
    });
  return complaints;
}

/** Whether a server's address is of this machine alone. */
const isLoopback = (server: string): boolean =>
  /^(nats|tls):\/\/(127\.\d+\.\d+\.\d+|\[::1\]|localhost):/.test(server);
