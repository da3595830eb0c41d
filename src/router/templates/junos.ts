import { formatPrefix } from '../../core/base/prefix.ts';
import {
  maxPrependByCommunity,
  withholdValue,
  worseMed,
  worseMedValue,
} from '../../core/bgp/steering.ts';
import { renderJunosBmp } from './bmp.ts';
import {
  egressEndsOf,
  endsOf,
  floorOf,
  identifier,
  isInternal,
  ownPrefixes,
  type PolicyLink,
  type RouterPolicy,
} from './policy.ts';

/** The same policy for Juniper Junos, as `set` commands. Written after the vendor's documentation, not tested here. */
export function renderJunosPolicy(policy: RouterPolicy): string {
  return `${[
    `# headgate policy for router ${policy.router} (Junos)`,
    '# NOT TESTED by the makers of headgate: read it before you load it.',
    ...renderCommunities(policy),
    ...policy.links.flatMap((link) => renderLinkPolicy(policy, link)),
    ...ours(policy, 'HEADGATE-IN', 'BLOCKS'),
    'set policy-options policy-statement HEADGATE-IN term BLOCKS from community HEADGATE-MARKED',
    'set policy-options policy-statement HEADGATE-IN term BLOCKS then accept',
    'set policy-options policy-statement HEADGATE-IN term REST then reject',
    ...renderSession(policy),
    ...renderDetours(policy),
    ...renderJunosBmp(policy),
  ].join('\n')}\n`;
}

const prepends = Array.from({ length: maxPrependByCommunity }, (_, i) => i + 1);

function renderCommunities(policy: RouterPolicy): string[] {
  const define = (name: string, value: string) =>
    `set policy-options community HEADGATE-${name} members large:${policy.asn}:${value}`;
  return [
    define('MARKED', '0:1'),
    define('ANY', '.*:.*'),
    ...policy.links.flatMap(({ number }) => [
      define(`WITHHOLD-${number}`, `${number}:${withholdValue}`),
      define(`MED-${number}`, `${number}:${worseMedValue}`),
      ...prepends.map((n) => define(`PREPEND-${number}-${n}`, `${number}:${n}`)),
    ]),
  ];
}

/** The filters of one term: our blocks, no longer than the floor. */
function ours(policy: RouterPolicy, statement: string, term: string): string[] {
  return policy.networks.map((prefix) => {
    const floor = floorOf(policy, prefix.family);
    const range = prefix.length < floor ? `upto /${floor}` : 'exact';
    return `set policy-options policy-statement ${statement} term ${term} from route-filter ${formatPrefix(prefix)} ${range}`;
  });
}

function renderLinkPolicy(policy: RouterPolicy, link: PolicyLink): string[] {
  const statement = `HEADGATE-TO-${identifier(link.name)}`;
  const term = (name: string, text: string) =>
    `set policy-options policy-statement ${statement} term ${name} ${text}`;
  return [
    term('WITHHOLD', `from community HEADGATE-WITHHOLD-${link.number}`),
    term('WITHHOLD', 'then reject'),
    ...prepends.flatMap((n) => [
      ...ours(policy, statement, `PREPEND-${n}`),
      term(`PREPEND-${n}`, `from community HEADGATE-PREPEND-${link.number}-${n}`),
      term(
        `PREPEND-${n}`,
        `then as-path-prepend "${new Array<number>(n).fill(policy.asn).join(' ')}"`,
      ),
      term(`PREPEND-${n}`, 'then community delete HEADGATE-ANY'),
      term(`PREPEND-${n}`, 'then accept'),
    ]),
    ...ours(policy, statement, 'MED'),
    term('MED', `from community HEADGATE-MED-${link.number}`),
    term('MED', `then metric ${worseMed}`),
    term('MED', 'then community delete HEADGATE-ANY'),
    term('MED', 'then accept'),
    ...ours(policy, statement, 'BLOCKS'),
    term('BLOCKS', 'from community HEADGATE-MARKED'),
    term('BLOCKS', 'then community delete HEADGATE-ANY'),
    term('BLOCKS', 'then accept'),
    ...policy.networks.map((prefix) =>
      term('AGGREGATES', `from route-filter ${formatPrefix(prefix)} exact`),
    ),
    term('AGGREGATES', 'from protocol [ static aggregate direct ]'),
    term('AGGREGATES', 'then accept'),
    term('REST', 'then reject'),
  ];
}

function renderSession(policy: RouterPolicy): string[] {
  const group = 'set protocols bgp group HEADGATE';
  const families = ([4, 6] as const).filter((family) => ownPrefixes(policy, family).length > 0);
  return [
    `${group} type ${isInternal(policy) ? 'internal' : 'external'}`,
    ...endsOf(policy).flatMap(({ address }) => [
      `${group} neighbor ${address} peer-as ${policy.unit.asn}`,
      `${group} neighbor ${address} description headgate`,
    ]),
    ...(policy.md5 ? [`${group} authentication-key "${policy.md5}"`] : []),
    `${group} import HEADGATE-IN`,
    ...(policy.takesOwnAs
      ? [`set routing-options autonomous-system ${policy.asn} loops ${maxPrependByCommunity + 1}`]
      : []),
    ...families.flatMap((family) => {
      const name = family === 4 ? 'inet' : 'inet6';
      const limit = `${group} family ${name} unicast prefix-limit maximum ${policy.maxPrefixes}`;
      const paths = `${group} family ${name} unicast add-path send path-count 6`;
      return policy.addPath ? [limit, paths] : [limit];
    }),
  ];
}

/** The session by which the unit tells the router one of its own paths with a higher local preference. */
function renderDetours(policy: RouterPolicy): string[] {
  const sessions = egressEndsOf(policy);
  if (sessions.length === 0) return [];
  const group = 'set protocols bgp group HEADGATE-DETOURS';
  const statement = 'set policy-options policy-statement HEADGATE-DETOURS-IN term';
  const families = ([4, 6] as const).filter((family) => ownPrefixes(policy, family).length > 0);
  return [
    ...ours(policy, 'HEADGATE-DETOURS-IN', 'OURS'),
    `${statement} OURS then reject`,
    // A list of communities matches when one of them does; both together are one community of two members.
    `set policy-options community HEADGATE-DETOUR members [ no-export large:${policy.asn}:0:1 ]`,
    `${statement} DETOURS from community HEADGATE-DETOUR`,
    `${statement} DETOURS then accept`,
    `${statement} REST then reject`,
    'set policy-options policy-statement HEADGATE-NOTHING then reject',
    `${group} type internal`,
    ...sessions.flatMap((address) => [
      `${group} neighbor ${address} peer-as ${policy.unit.asn}`,
      `${group} neighbor ${address} description "headgate detours"`,
    ]),
    `${group} passive`,
    ...(policy.md5 ? [`${group} authentication-key "${policy.md5}"`] : []),
    `${group} import HEADGATE-DETOURS-IN`,
    `${group} export HEADGATE-NOTHING`,
    ...families.map(
      (family) =>
        `${group} family ${family === 4 ? 'inet' : 'inet6'} unicast prefix-limit maximum ${policy.maxDetours}`,
    ),
  ];
}
