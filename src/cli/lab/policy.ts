import { parsePrefix } from '../../core/base/prefix.ts';
import { assert } from '../../core/base/result.ts';
import { asn, linkId, routerId } from '../../core/base/units.ts';
import type { BorderRouter, Topology } from '../../lab/topology.ts';
import { beginMark, endMark } from '../../router/section.ts';
import { renderBirdPolicy } from '../../router/templates/bird.ts';
import { renderFrrPolicy } from '../../router/templates/frr.ts';
import type { RouterPolicy } from '../../router/templates/policy.ts';

/**
 * The policy of a lab's border router: the same text that `headgate router-config --kind bird` prints, and the
 * marks of the section that a router driver may write.
 */
export function birdPolicy(
  topology: Topology,
  router: BorderRouter,
  egressAddress?: string,
): string {
  const policy = routerPolicy(topology, router, egressAddress);
  return [renderBirdPolicy(policy), beginMark, endMark, ''].join('\n');
}

/** The same for FRR. */
export function frrPolicy(
  topology: Topology,
  router: BorderRouter,
  egressAddress?: string,
): string {
  return renderFrrPolicy(routerPolicy(topology, router, egressAddress));
}

/** The policy in the language of what runs on the lab's border routers; `egressAddress`: it takes detours from there. */
export function borderPolicy(
  topology: Topology,
  router: BorderRouter,
  egressAddress?: string,
): string {
  const render = router.kind === 'frr' ? frrPolicy : birdPolicy;
  return render(topology, router, egressAddress);
}

export function routerPolicy(
  topology: Topology,
  router: BorderRouter,
  egressAddress?: string,
): RouterPolicy {
  return {
    router: routerId(router.name),
    asn: asn(topology.asn),
    unit: {
      address: router.unit,
      asn: asn(topology.asn),
      ...(egressAddress === undefined ? {} : { egressAddress }),
    },
    networks: topology.networks.map((text) => {
      const prefix = parsePrefix(text);
      assert(prefix.ok, `the lab's network ${text} is a prefix`);
      return prefix.value;
    }),
    floor: { ipv4: 24, ipv6: 48 },
    links: topology.providers
      .filter((provider) => provider.router === router.name)
      .map((provider) => ({
        number: provider.index,
        name: linkId(provider.name),
        asn: asn(provider.asn),
        neighbors: [provider.addresses.provider],
      })),
    maxPrefixes: 100,
    maxDetours: 1000,
    addPath: true,
  };
}
