/** What makes a router tell our BMP station (RFC 7854) what it heard and kept, in each configuration language. */
import { ownPrefixes, type RouterPolicy, stationsOf, watchedNeighbors } from './policy.ts';

const families = (policy: RouterPolicy): readonly (4 | 6)[] =>
  ([4, 6] as const).filter((family) => ownPrefixes(policy, family).length > 0);

/** Needs bgpd's module of that name (`-M bmp` in /etc/frr/daemons), which cannot be loaded later. */
export function renderFrrBmp(policy: RouterPolicy): string[] {
  const { bmp } = policy;
  if (!bmp) return [];
  return [
    '! Needs bgpd to be started with "-M bmp" (/etc/frr/daemons).',
    `router bgp ${policy.asn}`,
    ' bmp targets headgate',
    ...stationsOf(policy).map(
      (address) => `  bmp connect ${address} port ${bmp.port} min-retry 1000 max-retry 30000`,
    ),
    ...families(policy).map((family) => `  bmp monitor ipv${family} unicast post-policy`),
    ' exit',
    'exit',
  ];
}

/** As a remark: BIRD 2.0.12, which Debian 12 has, speaks no BMP and would refuse the whole file. */
export function renderBirdBmp(policy: RouterPolicy): string[] {
  const { bmp } = policy;
  if (!bmp) return [];
  return [
    '# Where this BIRD was built with BMP (2.0.12 of Debian 12 was not), without the marks of a remark:',
    ...stationsOf(policy).flatMap((address, i) => [
      `# protocol bmp headgate_bmp${nth(i)}`,
      '# {',
      `#   station address ip ${address} port ${bmp.port};`,
      '#   monitoring rib in post_policy;',
      '# }',
    ]),
    '',
  ];
}

/** The first of several things of a kind has the plain name. */
const nth = (i: number): string => (i === 0 ? '' : `_${i + 1}`);

export function renderJunosBmp(policy: RouterPolicy): string[] {
  const { bmp } = policy;
  if (!bmp) return [];
  return stationsOf(policy).flatMap((address, i) => {
    const station = `set routing-options bmp station headgate${nth(i)}`;
    return [
      `${station} connection-mode active`,
      `${station} station-address ${address}`,
      `${station} station-port ${bmp.port}`,
      `${station} route-monitoring post-policy`,
    ];
  });
}

export function renderIosxrBmp(policy: RouterPolicy): string[] {
  const { bmp } = policy;
  if (!bmp) return [];
  return [
    ...stationsOf(policy).flatMap((address, i) => [
      `bmp server ${i + 1}`,
      ` host ${address} port ${bmp.port}`,
      ' description headgate',
      '!',
    ]),
    `router bgp ${policy.asn}`,
    ...watchedNeighbors(policy).flatMap((address) => [
      ` neighbor ${address}`,
      ...stationsOf(policy).map((_, i) => `  bmp-activate server ${i + 1}`),
      ' !',
    ]),
    '!',
  ];
}

export function renderIosBmp(policy: RouterPolicy): string[] {
  const { bmp } = policy;
  if (!bmp) return [];
  return [
    `router bgp ${policy.asn}`,
    ...stationsOf(policy).flatMap((address, i) => [
      ` bmp server ${i + 1}`,
      `  address ${address} port-number ${bmp.port}`,
      '  description headgate',
      '  activate',
      ' exit-bmp-server-mode',
    ]),
    ...watchedNeighbors(policy).flatMap((address) =>
      stationsOf(policy).map((_, i) => ` neighbor ${address} bmp-activate server ${i + 1}`),
    ),
  ];
}
