/** The foreign networks that the wires' sessions are with: whom to probe, how far they are, whose resolver sends them. Pure. */
import { type Address, parseAddress, prefixOf } from '../../core/base/prefix.ts';
import type { LinkId, PrefixText } from '../../core/base/units.ts';
import type { NetworkCount } from '../../engine/index.ts';
import type { FoundNetwork } from '../../probe/index.ts';

/** The busiest networks with the hosts that wires saw there: what probes ask. */
export function busiestNetworks(
  networks: readonly NetworkCount[],
  most: number,
): readonly FoundNetwork[] {
  const found = new Map<PrefixText, { sessions: number; readonly hosts: Address[] }>();
  for (const { prefix, host, sessions } of networks) {
    const address = parseAddress(host);
    if (!address.ok) continue;
    const known = found.get(prefix);
    if (!known) found.set(prefix, { sessions, hosts: [address.value] });
    else {
      known.sessions += sessions;
      known.hosts.push(address.value);
    }
  }
  return [...found]
    .sort(([a, { sessions }], [b, other]) => other.sessions - sessions || (a < b ? -1 : 1))
    .slice(0, most)
    .map(([prefix, { hosts }]) => ({ prefix: prefixOf(prefix), hosts }));
}

/** Sessions that must have followed one resolver more often than others for a network to count as its. */
const votesMin = 3;

/** By resolver: the networks most of whose sessions followed its questions, the busiest first. */
export function clientsByResolver(
  networks: readonly NetworkCount[],
): ReadonlyMap<string, readonly NetworkCount[]> {
  const found = new Map<string, NetworkCount[]>();
  const byTraffic = [...networks].sort(
    (a, b) => b.sessions - a.sessions || (a.prefix < b.prefix ? -1 : 1),
  );
  for (const network of byTraffic) {
    const { resolver, sessions } = network;
    if (!resolver || resolver.votes < votesMin || resolver.votes * 4 < sessions) continue;
    const known = found.get(resolver.address);
    if (known) known.push(network);
    else found.set(resolver.address, [network]);
  }
  return found;
}

export interface PassiveRtt {
  readonly rttUs: number;
  readonly samples: number;
}

/** Round trips of some networks' sessions by the link that they came in by. */
export function passiveRtts(networks: readonly NetworkCount[]): ReadonlyMap<LinkId, PassiveRtt> {
  const found = new Map<LinkId, PassiveRtt>();
  for (const { link, rttUs, samples } of networks.flatMap(({ rtts }) => rtts)) {
    const known = found.get(link) ?? { rttUs: 0, samples: 0 };
    const all = known.samples + samples;
    found.set(link, {
      rttUs: (known.rttUs * known.samples + rttUs * samples) / all,
      samples: all,
    });
  }
  return found;
}
