/** Our section of a BIRD 2 configuration: static protocols that carry blocks and destinations. Pure. */
import { assert } from '../../core/base/result.ts';
import type { Announcement } from '../../core/bgp/announcement.ts';
import { type DestinationRoute, ordered, type RouterIntent } from '../intent.ts';

const families = [4, 6] as const;

/** Above the inside routes (static 200) of the same blocks, whose next hops these repeat. */
const preference = 250;

/**
 * The protocols are there even when they hold nothing: a change of the intent then is a change of routes,
 * which BIRD makes one by one without taking the others down. The communities are those that the export policy
 * of `headgate router-config --kind bird` acts upon.
 */
export function renderBirdSection(intent: RouterIntent): string {
  const lines = families.flatMap((family) => [
    ...protocol(`headgate_blocks${family}`, family, ordered(intent.blocks, family).map(blockRoute)),
    ...protocol(
      `headgate_destinations${family}`,
      family,
      ordered(intent.destinations, family).map(destinationRoute),
    ),
  ]);
  return `${lines.join('\n')}\n`;
}

function protocol(name: string, family: 4 | 6, routes: readonly string[]): string[] {
  return [
    `protocol static ${name} {`,
    `  ipv${family} { preference ${preference}; };`,
    ...routes,
    '}',
  ];
}

function blockRoute(block: Announcement): string {
  assert(block.nextHop !== undefined, `${block.prefix} has an inside next hop`);
  const attributes = [
    ...block.communities.map((c) => `bgp_community.add((${c.join(', ')}));`),
    ...block.largeCommunities.map((c) => `bgp_large_community.add((${c.join(', ')}));`),
    ...(block.med === undefined ? [] : [`bgp_med = ${block.med};`]),
    ...Array.from({ length: block.prepend }, () => 'bgp_path.prepend(HEADGATE_ASN);'),
  ];
  return `  route ${block.prefix} via ${block.nextHop} { ${attributes.join(' ')} };`;
}

/** NO_EXPORT (RFC 1997), though the export policy refuses foreign prefixes anyway: two locks. */
function destinationRoute(destination: DestinationRoute): string {
  return `  route ${destination.prefix} via ${destination.gateway} { bgp_community.add((65535, 65281)); };`;
}
