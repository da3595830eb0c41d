import { formatPrefix } from '../../core/base/prefix.ts';
import {
  maxPrependByCommunity,
  withholdValue,
  worseMed,
  worseMedValue,
} from '../../core/bgp/steering.ts';
import { renderBirdBmp } from './bmp.ts';
import {
  endsOf,
  floorOf,
  identifier,
  isInternal,
  ownPrefixes,
  type RouterPolicy,
  type UnitEnd,
} from './policy.ts';

/**
 * What a BIRD 2 router needs of headgate, to be included in its configuration: the filters
 * `headgate_to_LINK` for the export towards each link's provider (they also pass the aggregates and refuse
 * everything that is not ours), `headgate_in` and `headgate_out` for the session with the unit, and that session.
 */
export function renderBirdPolicy(policy: RouterPolicy): string {
  return [
    `# headgate policy for router ${policy.router} (BIRD 2)`,
    `define HEADGATE_ASN = ${policy.asn};`,
    '',
    renderOwnership(policy),
    renderSteering(),
    ...policy.links.map((link) => renderLinkFilter(link.number, link.name)),
    renderSessionFilters(policy),
    ...endsOf(policy).map((end) => renderSession(policy, end)),
    ...renderDetours(policy),
    ...renderBirdBmp(policy),
  ].join('\n');
}

function renderOwnership(policy: RouterPolicy): string {
  const set = (family: 4 | 6, longest: number | undefined) =>
    ownPrefixes(policy, family)
      .map((prefix) => {
        const range = longest === undefined ? '' : `{${prefix.length},${longest}}`;
        return `${formatPrefix(prefix)}${range}`;
      })
      .join(', ');
  const test = (longest: (family: 4 | 6) => number | undefined) =>
    ([4, 6] as const)
      .filter((family) => ownPrefixes(policy, family).length > 0)
      .map(
        (family) =>
          `  if (net.type = NET_IP${family} && net ~ [ ${set(family, longest(family))} ]) then return true;`,
      )
      .join('\n');
  return `# The address space that is announced as a whole, always, by this router itself.
function headgate_is_aggregate()
{
${test(() => undefined)}
  return false;
}

# Blocks of it, no longer than providers accept.
function headgate_is_ours()
{
${test((family) => floorOf(policy, family))}
  return false;
}
`;
}

function renderSteering(): string {
  const prepends = Array.from({ length: maxPrependByCommunity }, (_, i) => {
    const times = i + 1;
    return `  if ((HEADGATE_ASN, toward, ${times}) ~ bgp_large_community) then { ${'bgp_path.prepend(HEADGATE_ASN); '.repeat(times)}}`;
  });
  return `# Carries out what headgate asks for the link of that number, and hides the asking from the provider.
function headgate_steer(int toward)
{
  if ((HEADGATE_ASN, toward, ${withholdValue}) ~ bgp_large_community) then return false;
${prepends.join('\n')}
  if ((HEADGATE_ASN, toward, ${worseMedValue}) ~ bgp_large_community) then bgp_med = ${worseMed};
  bgp_large_community.delete([(HEADGATE_ASN, *, *)]);
  return true;
}
`;
}

function renderLinkFilter(number: number, name: string): string {
  return `# For \`export filter headgate_to_${identifier(name)};\` of the session with the provider of link "${name}".
filter headgate_to_${identifier(name)}
{
  if (source = RTS_STATIC || source = RTS_DEVICE) && headgate_is_aggregate() then accept;
  if headgate_is_ours() && (HEADGATE_ASN, 0, 1) ~ bgp_large_community then {
    if headgate_steer(${number}) then accept;
  }
  reject;
}
`;
}

const sessionOf = ({ name }: UnitEnd): string =>
  `headgate${name === undefined ? '' : `_${identifier(name)}`}`;
const detoursOf = (end: UnitEnd): string => sessionOf(end).replace('headgate', 'headgate_detours');

function renderSessionFilters(policy: RouterPolicy): string {
  const isForeign = endsOf(policy)
    .flatMap((end) => [sessionOf(end), detoursOf(end)])
    .map((name) => `proto != "${name}"`)
    .join(' && ');
  return `# From the unit: our own blocks, marked; nothing else, whatever goes wrong there. Preferred to the block's inside
# route (static 200, OSPF 150), whose next hop it repeats: else BIRD would not announce it to the providers.
filter headgate_in
{
  if headgate_is_ours() && (HEADGATE_ASN, 0, 1) ~ bgp_large_community then {
    preference = 250;
    accept;
  }
  reject;
}

# To the unit: our own prefixes with their inside next hops, and what the providers told us.
filter headgate_out
{
  if source != RTS_BGP && headgate_is_ours() then accept;
  if source = RTS_BGP && ${isForeign} then accept;
  reject;
}
`;
}

/**
 * A unit that stood still for longer than the hold time is taken back at once: by itself BIRD refuses it for one minute,
 * and for two to five when it was the second time. As the unit's own waits between attempts.
 */
const errorWait = ['  error wait time 2, 60;', '  error forget time 60;'];

function renderSession(policy: RouterPolicy, end: UnitEnd): string {
  const channel = (family: 4 | 6) => `  ipv${family} {
    import filter headgate_in;
    import limit ${policy.maxPrefixes} action restart;
    export filter headgate_out;${policy.addPath ? '\n    add paths tx;' : ''}
  };`;
  const local = policy.localAddress ? `local ${policy.localAddress} as` : 'local as';
  const options = [
    `  ${local} HEADGATE_ASN;`,
    `  neighbor ${end.address} as ${policy.unit.asn};`,
    ...(isInternal(policy) ? [] : ['  multihop;']),
    ...(policy.md5 ? [`  password "${policy.md5}";`] : []),
    ...(policy.takesOwnAs ? [`  allow local as ${maxPrependByCommunity};`] : []),
    '  graceful restart on;',
    '  long lived graceful restart off;',
    ...errorWait,
    ...([4, 6] as const).filter((family) => ownPrefixes(policy, family).length > 0).map(channel),
  ];
  return `protocol bgp ${sessionOf(end)}
{
${options.join('\n')}
}
`;
}

/** NO_EXPORT would hide detours from customers; towards providers `headgate_to_LINK` lets nothing foreign pass. */
const customersFilter = `
# For the export to customers, before your own rules: what the unit says of a prefix is none of their business.
function headgate_to_customer()
{
  bgp_large_community.delete([(HEADGATE_ASN, *, *)]);
}
`;

/** The session by which the unit tells the router one of its own paths with a higher local preference. */
function renderDetours(policy: RouterPolicy): string[] {
  const sessions = endsOf(policy).flatMap((end) => renderDetourSession(policy, end));
  if (sessions.length === 0) return [];
  return [
    `# Detours of outbound traffic: never our own space, never beyond this AS; gone with the session.
filter headgate_detours_in
{
  if headgate_is_ours() then reject;
  if (HEADGATE_ASN, 0, 1) ~ bgp_large_community && (65535, 65281) ~ bgp_community then ${policy.hasCustomers ? '{ bgp_community.delete((65535, 65281)); accept; }' : 'accept;'}
  reject;
}
${policy.hasCustomers ? customersFilter : ''}`,
    ...sessions,
  ];
}

function renderDetourSession(policy: RouterPolicy, end: UnitEnd): string[] {
  if (end.egressAddress === undefined) return [];
  const channel = (family: 4 | 6) => `  ipv${family} {
    import filter headgate_detours_in;
    import limit ${policy.maxDetours} action restart;
    export none;
  };`;
  const families = ([4, 6] as const).filter((family) => ownPrefixes(policy, family).length > 0);
  return [
    `protocol bgp ${detoursOf(end)}
{
  ${policy.localAddress ? `local ${policy.localAddress} as` : 'local as'} HEADGATE_ASN;
  neighbor ${end.egressAddress} as ${policy.unit.asn};
  passive on;
${errorWait.join('\n')}${policy.md5 ? `\n  password "${policy.md5}";` : ''}
${families.map(channel).join('\n')}
}
`,
  ];
}
