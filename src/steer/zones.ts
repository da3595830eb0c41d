import { readFileSync } from 'node:fs';
import { HeadgateError } from '../core/base/error.ts';
import { parseAddress } from '../core/base/prefix.ts';
import { assert } from '../core/base/result.ts';
import type { DnsSettings } from '../core/settings/dns.ts';
import { rrType } from '../core/wire/dns/codes.ts';
import { parseName, type WireName } from '../core/wire/dns/name.ts';
import type { SteeredName } from '../core/wire/dns/steering.ts';
import { makeZones } from '../core/wire/dns/table.ts';
import type { Zone } from '../core/wire/dns/zone.ts';
import { parseZoneFile, type ZoneRecord } from '../core/wire/dns/zone-file.ts';

type ZoneSettings = DnsSettings['zones'][number];

/**
 * The zones of the settings with their files. Throws HeadgateError `bad_zone` with the file, line and
 * column, or what the zone lacks. `serial` is the SOA's, for zones whose file has none.
 */
export function readZones(settings: DnsSettings, serial: number): ReadonlyMap<string, Zone> {
  const sources = settings.zones.map((zone) => ({
    apex: nameOf(zone.name),
    records: recordsOf(zone, serial),
  }));
  const zones = makeZones(
    sources,
    settings.names.map(({ name }) => nameOf(name)),
  );
  if (!zones.ok) {
    const { code, name } = zones.error;
    throw new HeadgateError('bad_zone', `dns: ${name} ${zoneFaults[code]}`);
  }
  for (const { name } of settings.names) {
    if (!settings.zones.some((zone) => `.${name}`.endsWith(`.${zone.name}`)))
      throw new HeadgateError('bad_zone', `dns: ${name} lies in none of the zones: add its zone`);
  }
  return zones.value;
}

/** Steered names with the addresses that `isUsable` says may be answered. */
export function steeredNames(
  settings: DnsSettings,
  isUsable: (name: string, link: string, address: string) => boolean,
): readonly SteeredName[] {
  return settings.names.map(({ name, ttl, addresses }) => ({
    name: nameOf(name),
    ttl: ttl / 1000,
    addresses: addresses.map(({ link, address }) => ({
      provider: link,
      address: addressOf(address),
      isUsable: isUsable(name, link, address),
    })),
  }));
}

const zoneFaults = {
  no_soa: 'has no SOA record',
  two_soas: 'has two SOA records',
  no_ns: 'has no NS record',
  cname_with_other: 'has a CNAME beside other records: a CNAME stands alone',
  steered_with_other:
    'is steered and has A, AAAA or CNAME records in the zone file (or lies below a delegation): remove them',
  outside: 'lies outside its zone',
} as const;

function recordsOf(zone: ZoneSettings, serial: number): readonly ZoneRecord[] {
  const apex = nameOf(zone.name);
  const fromFile = zone.file === undefined ? [] : readFile(zone.file, apex);
  const hasAtApex = (type: number) =>
    fromFile.some((record) => record.type === type && record.name.length === apex.length);
  const ttl = zone.ttl / 1000;
  const server = zone.nameservers[0]?.name ?? zone.name;
  const hostmaster = zone.hostmaster ?? `hostmaster.${zone.name}`;
  const lines: string[] = [];
  if (!hasAtApex(rrType.SOA)) {
    // Refresh, retry and expire serve secondaries, which a steered zone cannot have.
    const times = `7200 1800 604800 ${zone.negativeTtl / 1000}`;
    lines.push(`@ ${ttl} SOA ${server} ${hostmaster} ${serial} ${times}`);
  }
  if (!hasAtApex(rrType.NS)) {
    for (const { name } of zone.nameservers) lines.push(`@ ${ttl} NS ${name}`);
  }
  for (const { name, addresses } of zone.nameservers) {
    // A server's name elsewhere is the business of that zone.
    if (!`.${name}`.endsWith(`.${zone.name}`)) continue;
    for (const address of addresses)
      lines.push(`${name} ${ttl} ${address.includes(':') ? 'AAAA' : 'A'} ${address}`);
  }
  const made = parseZoneFile(lines.join('\n'), apex);
  assert(made.ok, 'records made from checked settings are well formed');
  return [...made.value, ...fromFile];
}

function readFile(file: string, apex: WireName): readonly ZoneRecord[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new HeadgateError('bad_zone', `dns: zone file ${file} cannot be read`, { cause });
  }
  const records = parseZoneFile(text, apex);
  if (records.ok) return records.value;
  const { line, column, expected } = records.error;
  throw new HeadgateError('bad_zone', `${file}:${line}:${column}: expected ${expected}`);
}

function nameOf(text: string): WireName {
  const name = parseName(text);
  assert(name.ok, `settings checked the name ${text}`);
  return name.value;
}

function addressOf(text: string) {
  const address = parseAddress(text);
  assert(address.ok, `settings checked the address ${text}`);
  return address.value;
}
