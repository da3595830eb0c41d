/** What FRR and Cisco IOS write alike: route maps, and words of theirs. */
import { maxPrependByCommunity } from '../../core/bgp/steering.ts';
import { ownPrefixes, type RouterPolicy } from './policy.ts';

/** The families that we have networks of. */
export const families = (policy: RouterPolicy): readonly (4 | 6)[] =>
  ([4, 6] as const).filter((family) => ownPrefixes(policy, family).length > 0);

export const word = (family: 4 | 6): string => (family === 4 ? 'ip' : 'ipv6');

/** The numbers of prepends that a community can ask for. */
export const prepends: readonly number[] = Array.from(
  { length: maxPrependByCommunity },
  (_, i) => i + 1,
);

/**
 * For the session that tells detours: in, foreign prefixes with our mark that go no further than this AS; out, nothing.
 * `close` ends each entry.
 */
export function renderDetourMaps(policy: RouterPolicy, close: readonly string[]): string[] {
  return [
    ...families(policy).flatMap((family) => [
      `route-map HEADGATE-DETOURS-IN deny ${10 * family}`,
      ` match ${word(family)} address prefix-list HEADGATE-OURS-V${family}`,
      ...close,
    ]),
    'route-map HEADGATE-DETOURS-IN permit 100',
    ' match large-community HEADGATE-MARKED',
    ' match community HEADGATE-NO-EXPORT',
    ...(policy.hasCustomers ? [' set comm-list HEADGATE-NO-EXPORT delete'] : []),
    ...close,
    'route-map HEADGATE-NOTHING deny 10',
    ...close,
    ...(policy.hasCustomers
      ? [
          '! For the export to customers: what the unit says of a prefix is none of their business.',
          'route-map HEADGATE-TO-CUSTOMERS permit 10',
          ' set large-comm-list HEADGATE-ANY delete',
          ...close,
        ]
      : []),
  ];
}
