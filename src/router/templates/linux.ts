import { isVlanMark, networkTexts, type PolicyLink, type RouterPolicy } from './policy.ts';

/** Firewall marks, routing tables and rule priorities of the links begin here, each with the link's number added. */
const markBase = 0x6868_0000;
const tableBase = 26_800;

/**
 * A shell script for a Linux router: outbound packets that the unit marked leave by the link of their mark. `ip rule tos`
 * knows no DSCP values, so nftables turns a DSCP into a firewall mark, and a policy rule that into a table per link. On
 * the way out the DSCP goes back to 0: a provider must not take it for a class of service.
 */
export function renderLinuxPolicy(policy: RouterPolicy): string {
  const dscp = policy.links.flatMap((link) =>
    link.mark && !isVlanMark(link.mark) ? [{ ...link, dscp: link.mark.dscp }] : [],
  );
  return [
    '#!/bin/sh',
    `# headgate policy for router ${policy.router} (Linux): packets that the unit marked leave by their link.`,
    '# Run at boot, and again after a change: it replaces its own rules at once and leaves all others alone.',
    'set -e',
    ...policy.links.flatMap(explain),
    ...([4, 6] as const).flatMap((family) => dscp.flatMap((link) => route(link, family))),
    "nft -f - <<'END'",
    'table inet headgate_marks',
    'delete table inet headgate_marks',
    'table inet headgate_marks {',
    '  chain prerouting {',
    '    type filter hook prerouting priority mangle; policy accept;',
    ...([4, 6] as const).flatMap((family) => {
      const ours = networkTexts(policy, family);
      const ip = family === 4 ? 'ip' : 'ip6';
      return ours.length === 0
        ? []
        : dscp.map(
            (link) =>
              `    ${ip} saddr { ${ours.join(', ')} } ${ip} dscp ${link.dscp} meta mark set ${markOf(link)}`,
          );
    }),
    '  }',
    '  chain postrouting {',
    '    type filter hook postrouting priority mangle; policy accept;',
    ...dscp.flatMap((link) => [
      `    meta mark ${markOf(link)} meta nfproto ipv4 ip dscp set 0`,
      `    meta mark ${markOf(link)} meta nfproto ipv6 ip6 dscp set 0`,
    ]),
    '  }',
    '}',
    'END',
    '',
  ].join('\n');
}

function explain(link: PolicyLink): string[] {
  if (!link.mark) return [`# ${link.name} has no mark: nothing is routed by it.`];
  if (!isVlanMark(link.mark)) return [];
  const { vlan } = link.mark;
  const table = tableBase + link.number;
  return [
    `# ${link.name} is marked by VLAN ${vlan}. NOT TESTED by the makers of headgate: with INSIDE as the inside interface,`,
    `#   ip link add link INSIDE name headgate.${vlan} type vlan id ${vlan} && ip link set headgate.${vlan} up`,
    `#   ip route replace default via ${link.neighbors[0] ?? 'PROVIDER'} table ${table}`,
    `#   ip rule add priority ${table} iif headgate.${vlan} lookup ${table}`,
  ];
}

function route(link: PolicyLink, family: 4 | 6): string[] {
  const gateway = link.neighbors.find((address) => address.includes(':') === (family === 6));
  const table = tableBase + link.number;
  if (gateway === undefined) {
    const wanted = `links[].neighbor of ${link.name} names no IPv${family} address`;
    return [`# ${wanted}: marked IPv${family} packets are routed like others.`];
  }
  return [
    `ip -${family} route replace default via ${gateway} table ${table}`,
    `ip -${family} rule show priority ${table} | grep -q . ||`,
    `  ip -${family} rule add priority ${table} fwmark ${markOf(link)} lookup ${table}`,
  ];
}

const markOf = ({ number }: PolicyLink): string => `0x${(markBase + number).toString(16)}`;
