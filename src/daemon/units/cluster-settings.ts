/** Settings of several units as each of them, and the leader, needs them. Pure. */
import { createHash } from 'node:crypto';
import { HeadgateError } from '../../core/base/error.ts';
import type { MergedLink, Pairing } from '../../core/model/merge.ts';
import { isOwnedBy, type Settings, unitsOfLink } from '../../core/settings/index.ts';

/** This unit's name. Throws HeadgateError `unknown_unit` where neither settings nor the machine's name say it. */
export function unitNameOf(
  { cluster }: Settings,
  hostName: string | undefined,
): string | undefined {
  if (!cluster) return undefined;
  const name = cluster.unit ?? hostName;
  if (name !== undefined && cluster.units.some((unit) => unit.name === name)) return name;
  const known = cluster.units.map((unit) => unit.name).join(', ');
  throw new HeadgateError(
    'unknown_unit',
    `this machine is called ${name ?? 'nothing'}, which is none of cluster.units (${known}): set cluster.unit`,
  );
}

/** The settings with the wires, routers and links of one unit alone; the very same where there is but one. */
export function ownPart(settings: Settings, unit: string | undefined): Settings {
  if (unit === undefined) return settings;
  return {
    ...settings,
    wires: settings.wires.filter((wire) => isOwnedBy(wire, unit)),
    routers: settings.routers.filter((router) => isOwnedBy(router, unit)),
    links: settings.links.filter((link) => unitsOfLink(settings, link).includes(unit)),
  };
}

export function mergedLinksOf(settings: Settings): readonly MergedLink[] {
  return settings.links.map((link) => ({
    link: link.name,
    capacity: link.capacity,
    units: unitsOfLink(settings, link),
    pairing: settings.wires.find(({ name }) => name === link.attribute?.wire)?.pair ?? 'parallel',
  }));
}

/** The two units that speak with this one's routers, in the order of the settings, where it has them with another. */
export function pairOf(
  settings: Settings,
  unit: string,
): { readonly units: readonly [string, string]; readonly pairing: Pairing } | undefined {
  for (const { name, bgp, unit: owners = [] } of settings.routers) {
    const [first, second] = owners;
    if (!bgp || first === undefined || second === undefined || !owners.includes(unit)) continue;
    const link = settings.links.find(({ router }) => router === name);
    const wire = settings.wires.find((entry) => entry.name === link?.attribute?.wire);
    return { units: [first, second], pairing: wire?.pair ?? 'parallel' };
  }
  return undefined;
}

/** Equal for units that may decide for each other: what concerns one machine alone is left out. */
export function fingerprintOf(settings: Settings): string {
  const { asn, mode, networks, links, routers, objective, groups, pins, maintenance } = settings;
  const { rails, steering, providerCommunities, currencies, cycle, timeScale, cluster } = settings;
  const { outbound } = settings;
  const shared = {
    asn,
    mode,
    networks,
    links: links.map(({ name, asn: provider, capacity, price, port, router, attribute }) => ({
      name,
      provider,
      capacity,
      price,
      port,
      router,
      wire: attribute?.wire,
    })),
    routers: routers.map(({ name, unit, asn: own, bgp }) => [name, unit, own, bgp?.required]),
    policy: { objective, groups, pins, maintenance, rails, currencies },
    steering: { steering, providerCommunities, outbound },
    times: { cycle, timeScale },
    cluster: cluster && {
      units: cluster.units,
      times: [cluster.lease, cluster.silent, cluster.hold],
    },
  };
  return digestOf(shared);
}

/** Equal for units that count and announce the same blocks. */
export const blocksKeyOf = ({ blocks }: Pick<Settings, 'blocks'>): string => digestOf(blocks);

const digestOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
