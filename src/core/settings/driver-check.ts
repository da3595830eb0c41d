import type { Complaint } from './complaint.ts';
import type { ParsedSettings, RouterSettings } from './schema.ts';

/** What no single key of a router's driver can know. */
export function driverComplaints(settings: ParsedSettings): Complaint[] {
  return settings.routers.flatMap((router, i) =>
    complaintsOf(settings, router).map(([key, message]) => ({
      path: ['routers', i, 'driver', ...(key === '' ? [] : [key])],
      message,
    })),
  );
}

function complaintsOf(
  settings: ParsedSettings,
  { name, bgp, driver, bgpCustomers }: RouterSettings,
): ReadonlyArray<readonly [key: string, message: string]> {
  if (!driver) return [];
  const found: Array<readonly [string, string]> = [];
  if (driver.kind === 'bird' && driver.file === undefined)
    found.push(['', 'expected file: the configuration of BIRD that holds our section']);
  if (driver.kind === 'linux' && (driver.blocks || driver.outbound !== 'sessions'))
    found.push(['', 'a router of kind linux takes outbound: sessions and nothing else']);
  if (driver.blocks && bgp)
    found.push(['blocks', 'its session announces the blocks; leave one of the two away']);
  if (driver.blocks) {
    const families = new Set(settings.networks.map((text) => (text.includes(':') ? 6 : 4)));
    for (const family of families)
      if (driver.nextHop?.[family === 4 ? 'ipv4' : 'ipv6'] === undefined)
        found.push(['', `expected next_hop.ipv${family}: the inside next hop of our blocks`]);
  }
  const speaker = settings.routers.find((other) => other.bgp && other.name !== name);
  if (driver.blocks && speaker && settings.links.some((link) => link.router === speaker.name))
    found.push([
      'blocks',
      `${speaker.name} hears the blocks by a session; all routers must hear them in one way, since a block is held back while one does not`,
    ]);
  if (Array.isArray(bgpCustomers)) {
    const bare = settings.links.find((link) => link.router === name && !link.neighbor);
    if (driver.kind === 'linux')
      found.push(['kind', 'what it exports is asked of bird or frr; name which of them it runs']);
    if (bare)
      found.push(['', `what is not to leak is asked by neighbor; link ${bare.name} has none`]);
  }
  if (driver.outbound === undefined) return found;
  if (!settings.outbound)
    found.push(['outbound', 'nothing is steered outbound; add outbound: {} to the settings']);
  if (!bgp)
    found.push(['outbound', 'the paths of the router must be known: add bgp: { add_path: true }']);
  if (bgp?.egressAddress !== undefined)
    found.push(['outbound', 'a session for detours carries them; leave bgp.egress_address away']);
  if (driver.outbound === 'sessions') {
    const bare = settings.links.find((link) => link.router === name && !link.neighbor);
    if (bare)
      found.push(['outbound', `sessions need the neighbor of each link; ${bare.name} has none`]);
    if (settings.wires.length === 0)
      found.push(['outbound', 'sessions are seen on a wire; there is none']);
  }
  return found;
}
