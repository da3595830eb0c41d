/** Whether routing has settled in a lab: who has whose paths, asked of the routers themselves. */
import { HeadgateError } from '../core/base/error.ts';
import type { Provider, Topology } from './topology.ts';

/** A lab as far as its routers can be asked. */
export interface Routed {
  readonly topology: Topology;
  birdc(node: string, command: string): Promise<string>;
  vtysh(node: string, ...commands: readonly string[]): Promise<string>;
}

/**
 * Resolves when every source has a path to each of our networks by every provider, and every border router the paths of
 * all sources by each of its own: with some still on their way, a router forwards otherwise than it will in a moment.
 */
export async function waitForRoutes(lab: Routed, deadlineMs: number): Promise<void> {
  const { providers, networks, sources } = lab.topology;
  const deadline = Date.now() + deadlineMs;
  const wantedBySource = providers.length * networks.length;
  const wantedBySession = sources.flatMap(({ prefixes }) => prefixes).length;
  for (;;) {
    const [toUs, toSources] = await Promise.all([
      Promise.all(sources.map(({ name }) => pathsToUs(lab, name))),
      Promise.all(providers.map((provider) => pathsByProvider(lab, provider))),
    ]);
    const areSettled =
      toUs.every((paths) => paths >= wantedBySource) &&
      toSources.every((paths) => paths >= wantedBySession);
    if (areSettled) return;
    if (Date.now() > deadline)
      throw new HeadgateError(
        'lab_routes_missing',
        `the sources have ${toUs.join(', ')} of ${wantedBySource} paths to us, the border has ` +
          `${toSources.join(', ')} of ${wantedBySession} to them by each provider; see the routers' logs`,
      );
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function pathsToUs(lab: Routed, source: string): Promise<number> {
  const tables = await Promise.all(
    lab.topology.networks.map((network) =>
      lab.birdc(source, `show route for ${network} all`).catch(() => ''),
    ),
  );
  return tables.join('\n').match(/BGP\.as_path:/g)?.length ?? 0;
}

/** How many prefixes the border router has from that provider, both families. */
async function pathsByProvider(lab: Routed, provider: Provider): Promise<number> {
  const router = lab.topology.routers.find(({ name }) => name === provider.router);
  if (router?.kind === 'frr') {
    const text = await lab
      .vtysh(
        provider.router,
        'show bgp ipv4 unicast summary json',
        'show bgp ipv6 unicast summary json',
      )
      .catch(() => '');
    // One line of its neighbour's entry in either family, as FRR prints them.
    const entry = new RegExp(
      `"${provider.addresses.provider.replaceAll('.', '\\.')}":\\{[^}]*?"pfxRcd":(\\d+)`,
      'g',
    );
    return sum([...text.replaceAll(/\s/g, '').matchAll(entry)].map(([, n]) => Number(n)));
  }
  // "4 of 15 routes for 11 networks in table master4", a line for each family.
  const text = await lab
    .birdc(provider.router, `show route protocol ${provider.name} count`)
    .catch(() => '');
  return sum([...text.matchAll(/^(?:\d+-)?\s*(\d+) of \d+ routes/gm)].map(([, n]) => Number(n)));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);
