import { formatPrefix } from '../../core/base/prefix.ts';
import {
  maxPrependByCommunity,
  withholdValue,
  worseMed,
  worseMedValue,
} from '../../core/bgp/steering.ts';
import { renderFrrBmp } from './bmp.ts';
import {
  egressEndsOf,
  endsOf,
  floorOf,
  identifier,
  ownPrefixes,
  type PolicyLink,
  type RouterPolicy,
  type UnitEnd,
} from './policy.ts';
import { families, prepends, renderDetourMaps, word } from './route-maps.ts';

/**
 * What an FRR router needs of headgate: route maps `HEADGATE-TO-LINK` for the export towards each link's
 * provider, and the session with the unit. The aggregates come from the router's own `redistribute static`
 * or `network`, so that their next hop is the inside one.
 */
export function renderFrrPolicy(policy: RouterPolicy): string {
  return `${[
    `! headgate policy for router ${policy.router} (FRR)`,
    ...renderLists(policy),
    ...policy.links.flatMap((link) => renderLinkMap(policy, link)),
    ...renderSessionMaps(policy),
    ...endsOf(policy).flatMap((end) => renderSession(policy, end)),
    ...renderDetours(policy),
    ...renderFrrBmp(policy),
  ].join('\n')}\n`;
}

function renderLists(policy: RouterPolicy): string[] {
  const lists = families(policy).flatMap((family) =>
    ownPrefixes(policy, family).flatMap((prefix, i) => {
      const text = formatPrefix(prefix);
      const floor = floorOf(policy, family);
      const range = prefix.length < floor ? ` le ${floor}` : '';
      const list = `${word(family)} prefix-list HEADGATE`;
      return [
        `${list}-AGGREGATES-V${family} seq ${5 * (i + 1)} permit ${text}`,
        `${list}-OURS-V${family} seq ${5 * (i + 1)} permit ${text}${range}`,
      ];
    }),
  );
  const community = (name: string, value: string) =>
    `bgp large-community-list standard HEADGATE-${name} permit ${policy.asn}:${value}`;
  return [
    ...lists,
    community('MARKED', '0:1'),
    `bgp large-community-list expanded HEADGATE-ANY permit ^${policy.asn}:.*`,
    ...policy.links.flatMap((link) => [
      community(`WITHHOLD-${link.number}`, `${link.number}:${withholdValue}`),
      community(`MED-${link.number}`, `${link.number}:${worseMedValue}`),
      ...prepends.map((n) => community(`PREPEND-${link.number}-${n}`, `${link.number}:${n}`)),
    ]),
    '!',
  ];
}

/** What is kept from the link, then each number of prepends, then a worse MED, then unbiased blocks, then the aggregates; no more. */
function renderLinkMap(policy: RouterPolicy, link: PolicyLink): string[] {
  const name = `HEADGATE-TO-${identifier(link.name)}`;
  const lines = [
    `! for "neighbor PROVIDER route-map ${name} out" towards link "${link.name}"`,
    `route-map ${name} deny 10`,
    ` match large-community HEADGATE-WITHHOLD-${link.number}`,
    'exit',
  ];
  let sequence = 10;
  const permit = (family: 4 | 6, list: string, ...more: string[]) => {
    sequence += 10;
    lines.push(
      `route-map ${name} permit ${sequence}`,
      ` match ${word(family)} address prefix-list HEADGATE-${list}-V${family}`,
      ...more,
      'exit',
    );
  };
  const hide = ' set large-comm-list HEADGATE-ANY delete';
  for (const family of families(policy)) {
    for (const n of prepends) {
      const path = new Array<number>(n).fill(policy.asn).join(' ');
      const match = ` match large-community HEADGATE-PREPEND-${link.number}-${n}`;
      permit(family, 'OURS', match, ` set as-path prepend ${path}`, hide);
    }
    const med = ` match large-community HEADGATE-MED-${link.number}`;
    permit(family, 'OURS', med, ` set metric ${worseMed}`, hide);
    permit(family, 'OURS', ' match large-community HEADGATE-MARKED', hide);
    permit(family, 'AGGREGATES');
  }
  return [...lines, '!'];
}

/** Above the weight of the router's own inside route of the same block (32768), else that one would be announced. */
const weight = 40_000;

function renderSessionMaps(policy: RouterPolicy): string[] {
  const lines = families(policy).flatMap((family, i) => [
    `route-map HEADGATE-IN permit ${10 * (i + 1)}`,
    ` match ${word(family)} address prefix-list HEADGATE-OURS-V${family}`,
    ' match large-community HEADGATE-MARKED',
    ` set weight ${weight}`,
    'exit',
  ]);
  return [...lines, 'route-map HEADGATE-OUT permit 10', 'exit', '!'];
}

function renderSession(policy: RouterPolicy, { address }: UnitEnd): string[] {
  const { asn } = policy.unit;
  const neighbor = ` neighbor ${address}`;
  return [
    `router bgp ${policy.asn}`,
    `${neighbor} remote-as ${asn}`,
    `${neighbor} description headgate`,
    ...(policy.md5 ? [`${neighbor} password ${policy.md5}`] : []),
    ...(policy.localAddress ? [`${neighbor} update-source ${policy.localAddress}`] : []),
    ...families(policy).flatMap((family) => [
      ` address-family ipv${family} unicast`,
      ` ${neighbor} activate`,
      ` ${neighbor} route-map HEADGATE-IN in`,
      ` ${neighbor} route-map HEADGATE-OUT out`,
      ` ${neighbor} maximum-prefix ${policy.maxPrefixes} restart 5`,
      ...(policy.addPath ? [` ${neighbor} addpath-tx-all-paths`] : []),
      ...(policy.takesOwnAs ? [` ${neighbor} allowas-in ${maxPrependByCommunity}`] : []),
      ' exit-address-family',
    ]),
    'exit',
  ];
}

/** The session by which the unit tells the router one of its own paths with a higher local preference. */
function renderDetours(policy: RouterPolicy): string[] {
  const sessions = egressEndsOf(policy);
  if (sessions.length === 0) return [];
  return [
    '! Detours of outbound traffic: never our own space, never beyond this AS; gone with the session.',
    'bgp community-list standard HEADGATE-NO-EXPORT permit no-export',
    ...renderDetourMaps(policy, ['exit']),
    ...sessions.flatMap((address) => renderDetourSession(policy, address)),
  ];
}

function renderDetourSession(policy: RouterPolicy, address: string): string[] {
  const neighbor = ` neighbor ${address}`;
  return [
    `router bgp ${policy.asn}`,
    `${neighbor} remote-as ${policy.unit.asn}`,
    `${neighbor} description headgate detours`,
    `${neighbor} passive`,
    ...(policy.md5 ? [`${neighbor} password ${policy.md5}`] : []),
    ...(policy.localAddress ? [`${neighbor} update-source ${policy.localAddress}`] : []),
    ...families(policy).flatMap((family) => [
      ` address-family ipv${family} unicast`,
      ` ${neighbor} activate`,
      ` ${neighbor} route-map HEADGATE-DETOURS-IN in`,
      ` ${neighbor} route-map HEADGATE-NOTHING out`,
      ` ${neighbor} maximum-prefix ${policy.maxDetours} restart 5`,
      ' exit-address-family',
    ]),
    'exit',
  ];
}
