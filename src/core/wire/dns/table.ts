import { err, ok, type Result } from '../../base/result.ts';
import type { AnswerTable } from './answer.ts';
import { nameKey, parentKey, type WireName } from './name.ts';
import {
  compileSteered,
  compileSteering,
  type Granularity,
  type ResolverWeights,
  type SteeredName,
} from './steering.ts';
import { makeZone, type Zone, type ZoneError } from './zone.ts';
import type { ZoneRecord } from './zone-file.ts';

export interface ZoneSource {
  readonly apex: WireName;
  readonly records: readonly ZoneRecord[];
}

/** Builds the zones once; `steered` names belong to the deepest zone that holds them. */
export function makeZones(
  sources: readonly ZoneSource[],
  steered: readonly WireName[],
): Result<ReadonlyMap<string, Zone>, ZoneError> {
  const apexKeys = new Set(sources.map(({ apex }) => nameKey(apex)));
  const apexKeyOf = (name: WireName) => {
    for (let key: string | undefined = nameKey(name); key !== undefined; key = parentKey(key))
      if (apexKeys.has(key)) return key;
    return undefined;
  };
  const zones = new Map<string, Zone>();
  for (const { apex, records } of sources) {
    const own = steered.filter((name) => apexKeyOf(name) === nameKey(apex));
    const zone = makeZone(apex, records, own);
    if (!zone.ok) return err(zone.error);
    zones.set(nameKey(apex), zone.value);
  }
  return ok(zones);
}

/** Compiles what changes: the plan's weights and which addresses are usable. */
export function makeTable(
  zones: ReadonlyMap<string, Zone>,
  steered: readonly SteeredName[],
  weights: ResolverWeights,
  granularity: Granularity,
): AnswerTable {
  const providers = steered.flatMap(({ addresses }) => addresses.map(({ provider }) => provider));
  const steering = compileSteering(providers, weights, granularity);
  const sets = steered.map((name) => [nameKey(name.name), compileSteered(name, steering)] as const);
  return { zones, steered: new Map(sets), steering };
}
