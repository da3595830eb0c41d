import { formatPrefix, type Prefix } from '../../core/base/prefix.ts';
import {
  maxPrependByCommunity,
  withholdValue,
  worseMed,
  worseMedValue,
} from '../../core/bgp/steering.ts';
import { renderIosBmp } from './bmp.ts';
import {
  egressEndsOf,
  endsOf,
  floorOf,
  identifier,
  ownPrefixes,
  type PolicyLink,
  type RouterPolicy,
} from './policy.ts';
import { families, prepends, renderDetourMaps, word } from './route-maps.ts';

/** The same policy for Cisco IOS and IOS XE. Written after the vendor's documentation, not tested here. */
export function renderIosPolicy(policy: RouterPolicy): string {
  return `${[
    `! headgate policy for router ${policy.router} (Cisco IOS XE)`,
    '! NOT TESTED by the makers of headgate: read it before you load it.',
    ...families(policy).flatMap((family) => renderLists(policy, family)),
    `ip large-community-list standard HEADGATE-MARKED permit ${policy.asn}:0:1`,
    `ip large-community-list expanded HEADGATE-ANY permit ^${policy.asn}:.*`,
    ...policy.links.flatMap((link) => renderCommunities(policy, link)),
    ...policy.links.flatMap((link) => renderLinkMap(policy, link)),
    ...families(policy).flatMap((family, i) => [
      `route-map HEADGATE-IN permit ${10 * (i + 1)}`,
      ` match ${word(family)} address prefix-list HEADGATE-OURS-V${family}`,
      ' match large-community HEADGATE-MARKED',
    ]),
    ...renderSession(policy),
    ...renderIosBmp(policy),
  ].join('\n')}\n`;
}

function renderLists(policy: RouterPolicy, family: 4 | 6): string[] {
  const floor = floorOf(policy, family);
  const line = (kind: string, prefix: Prefix, i: number, range: string) =>
    `${word(family)} prefix-list HEADGATE-${kind}-V${family} seq ${5 * (i + 1)} permit ${formatPrefix(prefix)}${range}`;
  return ownPrefixes(policy, family).flatMap((prefix, i) => [
    line('AGGREGATES', prefix, i, ''),
    line('OURS', prefix, i, prefix.length < floor ? ` le ${floor}` : ''),
  ]);
}

function renderCommunities(policy: RouterPolicy, link: PolicyLink): string[] {
  const list = (name: string, value: number) =>
    `ip large-community-list standard HEADGATE-${name} permit ${policy.asn}:${link.number}:${value}`;
  return [
    list(`WITHHOLD-${link.number}`, withholdValue),
    list(`MED-${link.number}`, worseMedValue),
    ...prepends.map((n) => list(`PREPEND-${link.number}-${n}`, n)),
  ];
}

function renderLinkMap(policy: RouterPolicy, link: PolicyLink): string[] {
  const name = `HEADGATE-TO-${identifier(link.name)}`;
  const lines = [
    `route-map ${name} deny 10`,
    ` match large-community HEADGATE-WITHHOLD-${link.number}`,
  ];
  let sequence = 10;
  for (const family of families(policy)) {
    const entry = (list: string, ...more: string[]) => {
      sequence += 10;
      lines.push(
        `route-map ${name} permit ${sequence}`,
        ` match ${word(family)} address prefix-list HEADGATE-${list}-V${family}`,
        ...more,
      );
    };
    const hide = ' set large-comm-list HEADGATE-ANY delete';
    for (const n of prepends) {
      const path = new Array<number>(n).fill(policy.asn).join(' ');
      const match = ` match large-community HEADGATE-PREPEND-${link.number}-${n}`;
      entry('OURS', match, ` set as-path prepend ${path}`, hide);
    }
    const med = ` match large-community HEADGATE-MED-${link.number}`;
    entry('OURS', med, ` set metric ${worseMed}`, hide);
    entry('OURS', ' match large-community HEADGATE-MARKED', hide);
    entry('AGGREGATES');
  }
  return lines;
}

function renderSession(policy: RouterPolicy): string[] {
  return [
    `router bgp ${policy.asn}`,
    ...endsOf(policy).flatMap(({ address }) => renderNeighbor(policy, address)),
    ...renderDetours(policy),
    ...policy.links.flatMap((link) =>
      link.neighbors.map(
        (address) => `! neighbor ${address} route-map HEADGATE-TO-${identifier(link.name)} out`,
      ),
    ),
  ];
}

function renderNeighbor(policy: RouterPolicy, address: string): string[] {
  const neighbor = `neighbor ${address}`;
  return [
    ` ${neighbor} remote-as ${policy.unit.asn}`,
    ` ${neighbor} description headgate`,
    ...(policy.md5 ? [` ${neighbor} password ${policy.md5}`] : []),
    ...families(policy).flatMap((family) => [
      ` address-family ipv${family} unicast`,
      `  ${neighbor} activate`,
      `  ${neighbor} send-community both`,
      `  ${neighbor} route-map HEADGATE-IN in`,
      `  ${neighbor} maximum-prefix ${policy.maxPrefixes} restart 5`,
      ...(policy.addPath ? [`  ${neighbor} advertise additional-paths all`] : []),
      ...(policy.takesOwnAs ? [`  ${neighbor} allowas-in ${maxPrependByCommunity}`] : []),
      ' exit-address-family',
    ]),
  ];
}

/** The session for detours, within `router bgp`; its route maps follow the session's. */
function renderDetours(policy: RouterPolicy): string[] {
  const sessions = egressEndsOf(policy);
  if (sessions.length === 0) return [];
  return [
    ...sessions.flatMap((address) => renderDetourNeighbor(policy, address)),
    'ip community-list standard HEADGATE-NO-EXPORT permit no-export',
    ...renderDetourMaps(policy, []),
  ];
}

function renderDetourNeighbor(policy: RouterPolicy, address: string): string[] {
  const neighbor = `neighbor ${address}`;
  return [
    ` ${neighbor} remote-as ${policy.unit.asn}`,
    ` ${neighbor} description headgate detours`,
    ...(policy.md5 ? [` ${neighbor} password ${policy.md5}`] : []),
    ...families(policy).flatMap((family) => [
      ` address-family ipv${family} unicast`,
      `  ${neighbor} activate`,
      `  ${neighbor} route-map HEADGATE-DETOURS-IN in`,
      `  ${neighbor} route-map HEADGATE-NOTHING out`,
      `  ${neighbor} maximum-prefix ${policy.maxDetours} restart 5`,
      ' exit-address-family',
    ]),
  ];
}
