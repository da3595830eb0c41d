import { covers, type Prefix } from '../core/base/prefix.ts';
import type { AdjRibIn } from '../core/bgp/rib/adj-rib-in.ts';
import { decodeBlock } from '../core/bgp/rib/intake.ts';
import { markerOf } from '../core/bgp/steering.ts';
import type { RouterPeering, SpeakerOptions } from './peering.ts';

export type NextHop = { readonly address: string } | { readonly missing: string };

/**
 * The next hop that a router itself uses inside for a block: of its own route for it, or for the longest of
 * our networks that covers it. Set by hand it counts first. Never the unit, never the router itself.
 */
export function learnNextHop(
  rib: AdjRibIn,
  peer: number,
  peering: RouterPeering,
  options: Pick<SpeakerOptions, 'networks' | 'localAsn'>,
  prefix: Prefix,
): NextHop {
  const set = prefix.family === 4 ? peering.nextHop?.ipv4 : peering.nextHop?.ipv6;
  if (set !== undefined) return { address: set };
  let found =
    'the router told no route of its own for it: set next_hop, or let it send its aggregates';
  for (const candidate of rib.covering(prefix)) {
    if (!options.networks.some((network) => covers(network, candidate))) continue;
    for (const path of rib.paths(candidate)) {
      if (path.peer !== peer) continue;
      const block = rib.attributes.bytesOf(path.attributes);
      const { attributes, nextHop } = decodeBlock(block, rib.attributes.kindOf(path.attributes));
      const marker = markerOf(options.localAsn).join(':');
      // What we announced ourselves and got back says nothing.
      if (attributes.largeCommunities?.some((community) => community.join(':') === marker))
        continue;
      if (nextHop === peering.address || nextHop === peering.localAddress || nextHop === '') {
        found = "the router's own route for it has no inside next hop: set next_hop";
        continue;
      }
      return { address: nextHop };
    }
  }
  return { missing: found };
}
