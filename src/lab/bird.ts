/** Configuration of the lab's BIRD routers, rendered from the topology. Pure. */
import type { BorderRouter, Provider, SourceNetwork, Topology } from './topology.ts';

const families = [4, 6] as const;

/** Short timers: a lab's session must be back within seconds of a router's or the unit's restart. */
const timers = [
  '  connect delay time 1; connect retry time 2; error wait time 1, 4;',
  '  hold time 30; keepalive time 10;',
].join('\n');

export function renderSource(topology: Topology, source: SourceNetwork): string {
  const j = topology.sources.indexOf(source) + 1;
  const sessions = topology.providers.map((provider, i) => {
    const isFavoured = source.leaning === 'north_preferred' && i === 0;
    const bias = isFavoured ? 'import filter { bgp_local_pref = 200; accept; };' : 'import all;';
    return session(provider.name, source.asn, `10.1${i + 1}.${j}.1`, provider.asn, () => [
      bias,
      'export where source = RTS_STATIC;',
    ]);
  });
  return [
    head(`10.0.1.${j}`),
    kernel('where source = RTS_BGP', source.hosts),
    ...families.map(
      (family, f) =>
        `protocol static own${family} { ipv${family}; route ${source.prefixes[f]} unreachable; }`,
    ),
    ...sessions,
  ].join('\n');
}

export function renderProvider(topology: Topology, provider: Provider): string {
  const i = topology.providers.indexOf(provider) + 1;
  const downstream = topology.sources.map((source, j) => {
    const isFar = source.leaning === 'south_longer' && provider.name === 'south';
    const farther = isFar ? `bgp_path.prepend(${provider.asn}); ` : '';
    const policy = `export filter { ${farther}${actions(provider.asn)} accept; };`;
    return session(source.name, provider.asn, `10.1${i}.${j + 1}.2`, source.asn, () => [
      'import all;',
      policy,
    ]);
  });
  const border = provider.addresses.border;
  // The tie between two paths of equal length goes to the lowest router id: north's.
  return [
    head(`10.0.2.${i}`),
    kernel('where source = RTS_BGP'),
    ...downstream,
    session('customer', provider.asn, border, topology.asn, () => ['import all;', 'export all;']),
  ].join('\n');
}

/** What transit providers offer their customers: the community ASN:10N prepends N times towards everybody. */
function actions(asn: number): string {
  return [1, 2, 3]
    .map(
      (n) =>
        `if (${asn}, 10${n}) ~ bgp_community then { ${`bgp_path.prepend(${asn}); `.repeat(n)}}`,
    )
    .join(' ');
}

/** `policy` is what headgate asks of a router: the filter `headgate_to_LINK` of each link, and the unit's session. */
export function renderBorder(topology: Topology, router: BorderRouter, policy: string): string {
  const own = (family: 4 | 6): string =>
    topology.networks.filter((n) => n.includes(':') === (family === 6)).join(', ');
  const nextHop = (family: 4 | 6): string => topology.core[family === 4 ? 0 : 1];
  // As the inside protocol of a real network would have them: every block's own route to its inside next hop.
  const statics = families.flatMap((family) => [
    `protocol static aggregates${family} { ipv${family}; route ${own(family)} via ${nextHop(family)}; }`,
    `protocol static inside${family} { ipv${family};`,
    ...topology.blocks
      .filter((block) => block.prefix.includes(':') === (family === 6))
      .map((block) => `  route ${block.prefix} via ${nextHop(family)};`),
    '}',
  ]);
  const upstream = topology.providers
    .filter((provider) => provider.router === router.name)
    .map((provider) =>
      session(provider.name, topology.asn, provider.addresses.provider, provider.asn, (family) => [
        `import where net !~ [ ${own(family)}+ ];`,
        `export filter headgate_to_${provider.name};`,
      ]),
    );
  const peers = topology.routers
    .filter((other) => other !== router)
    .map((other) =>
      session(other.name, topology.asn, other.inside, topology.asn, () => [
        'next hop self;',
        'import all;',
        'export where source = RTS_BGP;',
      ]),
    );
  return [
    head(router.management),
    'protocol direct { ipv4; ipv6; }',
    kernel('where source != RTS_DEVICE'),
    ...statics,
    policy,
    ...upstream,
    ...peers,
  ].join('\n');
}

export function head(routerId: string): string {
  return [
    `router id ${routerId};`,
    'log "bird.log" all;',
    'protocol device { scan time 60; }',
    '',
  ].join('\n');
}

export function kernel(what: string, sourceAddresses?: readonly [string, string]): string {
  return families
    .map((family, f) => {
      const source = sourceAddresses ? `krt_prefsrc = ${sourceAddresses[f]}; ` : '';
      const condition = what.replace(/^where /, '');
      const filter = `filter { if ${condition} then { ${source}accept; } reject; }`;
      return `protocol kernel kernel${family} { ipv${family} { import none; export ${filter}; }; }`;
    })
    .join('\n');
}

export function session(
  name: string,
  localAsn: number,
  neighbor: string,
  remoteAsn: number,
  channel: (family: 4 | 6) => readonly string[],
): string {
  return [
    `protocol bgp ${name} {`,
    `  local as ${localAsn};`,
    `  neighbor ${neighbor} as ${remoteAsn};`,
    timers,
    ...families.map((family) => `  ipv${family} { ${channel(family).join(' ')} };`),
    '}',
  ].join('\n');
}
