import { formatPrefix } from '../../core/base/prefix.ts';
import {
  maxPrependByCommunity,
  withholdValue,
  worseMed,
  worseMedValue,
} from '../../core/bgp/steering.ts';
import { renderIosxrBmp } from './bmp.ts';
import {
  egressEndsOf,
  endsOf,
  floorOf,
  identifier,
  ownPrefixes,
  type PolicyLink,
  type RouterPolicy,
} from './policy.ts';

/** The same policy for Cisco IOS XR. Written after the vendor's documentation, not tested here. */
export function renderIosxrPolicy(policy: RouterPolicy): string {
  return `${[
    `! headgate policy for router ${policy.router} (Cisco IOS XR)`,
    '! NOT TESTED by the makers of headgate: read it before you load it.',
    ...renderSets(policy),
    ...policy.links.flatMap((link) => renderLinkPolicy(policy, link)),
    'route-policy HEADGATE-IN',
    `  if destination in HEADGATE-OURS and large-community matches-any (${policy.asn}:0:1) then`,
    '    pass',
    '  else',
    '    drop',
    '  endif',
    'end-policy',
    '!',
    'route-policy HEADGATE-DETOURS-IN',
    `  if not destination in HEADGATE-OURS and large-community matches-any (${policy.asn}:0:1) and community matches-any (no-export) then`,
    '    pass',
    '  else',
    '    drop',
    '  endif',
    'end-policy',
    '!',
    'route-policy HEADGATE-NOTHING',
    '  drop',
    'end-policy',
    '!',
    'route-policy HEADGATE-OUT',
    '  pass',
    'end-policy',
    '!',
    ...renderSession(policy),
    ...renderIosxrBmp(policy),
  ].join('\n')}\n`;
}

function renderSets(policy: RouterPolicy): string[] {
  const aggregates = policy.networks.map((prefix) => `  ${formatPrefix(prefix)}`);
  const ours = policy.networks.map((prefix) => {
    const floor = floorOf(policy, prefix.family);
    return `  ${formatPrefix(prefix)}${prefix.length < floor ? ` le ${floor}` : ''}`;
  });
  return [
    'prefix-set HEADGATE-AGGREGATES',
    aggregates.join(',\n'),
    'end-set',
    '!',
    'prefix-set HEADGATE-OURS',
    ours.join(',\n'),
    'end-set',
    '!',
  ];
}

function renderLinkPolicy(policy: RouterPolicy, link: PolicyLink): string[] {
  const matches = (value: string) => `large-community matches-any (${policy.asn}:${value})`;
  const prepends = Array.from({ length: maxPrependByCommunity }, (_, i) => [
    `    ${i === 0 ? 'if' : 'elseif'} ${matches(`${link.number}:${i + 1}`)} then`,
    `      prepend as-path ${policy.asn} ${i + 1}`,
  ]);
  return [
    `route-policy HEADGATE-TO-${identifier(link.name)}`,
    `  if ${matches(`${link.number}:${withholdValue}`)} then`,
    '    drop',
    '  endif',
    `  if destination in HEADGATE-OURS and ${matches('0:1')} then`,
    ...prepends.flat(),
    `    elseif ${matches(`${link.number}:${worseMedValue}`)} then`,
    `      set med ${worseMed}`,
    '    endif',
    `    delete large-community in (${policy.asn}:*:*)`,
    '    pass',
    '  elseif destination in HEADGATE-AGGREGATES then',
    '    pass',
    '  else',
    '    drop',
    '  endif',
    'end-policy',
    '!',
  ];
}

function renderSession(policy: RouterPolicy): string[] {
  return [
    `router bgp ${policy.asn}`,
    ...endsOf(policy).flatMap(({ address }) =>
      renderNeighbor(policy, {
        address,
        description: 'headgate',
        policyIn: 'HEADGATE-IN',
        policyOut: 'HEADGATE-OUT',
        maxPrefixes: policy.maxPrefixes,
      }),
    ),
    ...egressEndsOf(policy).flatMap((address) =>
      renderNeighbor(policy, {
        address,
        description: 'headgate detours',
        policyIn: 'HEADGATE-DETOURS-IN',
        policyOut: 'HEADGATE-NOTHING',
        maxPrefixes: policy.maxDetours,
      }),
    ),
    '!',
  ];
}

interface Neighbor {
  readonly address: string;
  readonly description: string;
  readonly policyIn: string;
  readonly policyOut: string;
  readonly maxPrefixes: number;
}

/** One of our sessions, within `router bgp`. */
function renderNeighbor(policy: RouterPolicy, neighbor: Neighbor): string[] {
  const families = ([4, 6] as const).filter((family) => ownPrefixes(policy, family).length > 0);
  return [
    ` neighbor ${neighbor.address}`,
    `  remote-as ${policy.unit.asn}`,
    `  description ${neighbor.description}`,
    ...(policy.md5 ? [`  password clear ${policy.md5}`] : []),
    ...families.flatMap((family) => [
      `  address-family ipv${family} unicast`,
      `   route-policy ${neighbor.policyIn} in`,
      `   route-policy ${neighbor.policyOut} out`,
      `   maximum-prefix ${neighbor.maxPrefixes} 80 restart 5`,
      ...(policy.takesOwnAs ? [`   allowas-in ${maxPrependByCommunity}`] : []),
      '  !',
    ]),
    ' !',
  ];
}
