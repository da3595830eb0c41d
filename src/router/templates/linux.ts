import { isVlanMark, networkTexts, type PolicyLink, type RouterPolicy } from './policy.ts';

/** Firewall marks, routing tables and rule priorities of the links begin here, each with the link's number added. */
const markBase = 0x6868_0000;
const tableBase = 26_800;
/** Firewall marks of VLANs, with the VLAN added: what native/kernel/vlan_marks.bpf.c sets. */
const vlanMarkBase = 0x6869_0000;
/** Of the filters at the interface towards the unit; the handle of each is its VLAN. */
const filterPreference = 26_800;
const object = 'vlan_marks.bpf.o';

/**
 * A shell script for a Linux router: outbound packets that the unit marked leave by the link of their mark. `ip rule tos`
 * knows no DSCP values, so nftables turns a DSCP into a firewall mark, and a policy rule that into a table per link. On
 * the way out the DSCP goes back to 0: a provider must not take it for a class of service. A VLAN becomes a firewall
 * mark where the frame comes in, by a classifier that takes the tag off: the packet is routed as if it had borne none.
 */
export function renderLinuxPolicy(policy: RouterPolicy): string {
  const dscp = policy.links.flatMap((link) =>
    link.mark && !isVlanMark(link.mark) ? [{ ...link, dscp: link.mark.dscp }] : [],
  );
  const marked = policy.links.filter(({ mark }) => mark !== undefined);
  const vlans = policy.links.flatMap(({ mark }) => (mark && isVlanMark(mark) ? [mark.vlan] : []));
  return [
    '#!/bin/sh',
    `# headgate policy for router ${policy.router} (Linux): packets that the unit marked leave by their link.`,
    '# Run at boot, and again after a change: it replaces its own rules at once and leaves all others alone.',
    'set -e',
    ...policy.links.flatMap(explain),
    ...(vlans.length > 0 ? needs : []),
    ...([4, 6] as const).flatMap((family) => marked.flatMap((link) => route(link, family))),
    ...(vlans.length > 0 ? classify(vlans) : []),
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

function explain({ name, mark }: PolicyLink): string[] {
  return mark ? [] : [`# ${name} has no mark: nothing is routed by it.`];
}

/** What the classifiers need that the unit's settings do not know. */
const needs: readonly string[] = [
  '# VLAN marks: INSIDE is the interface towards the unit, which takes frames 4 bytes longer than its MTU and header, as',
  '# Ethernet cards do. OBJECT was copied from the unit, where it is installed in /usr/lib/headgate/build/Release.',
  '# It needs a tc with libbpf, and CAP_BPF; other VLANs of INSIDE stay as they are.',
  `: "\${INSIDE:?set it to the interface towards the unit}" "\${OBJECT:=/usr/lib/headgate/${object}}"`,
];

/** First those that are wanted, each replaced in place; then any others of ours go. */
function classify(vlans: readonly number[]): string[] {
  const at = `dev "$INSIDE" ingress pref ${filterPreference}`;
  const handles = vlans.map((vlan) => `0x${vlan.toString(16)}`);
  return [
    'tc qdisc show dev "$INSIDE" | grep -q clsact || tc qdisc add dev "$INSIDE" clsact',
    ...vlans.map((vlan, i) => {
      const program = `bpf da obj "$OBJECT" sec tc classid 1:${vlan.toString(16)}`;
      return `tc filter replace ${at} handle ${handles[i]} ${program}  # VLAN ${vlan}`;
    }),
    `tc filter show ${at} | sed -n 's/.* handle \\(0x[0-9a-f]*\\) .*/\\1/p' | grep -vxE '${handles.join('|')}' |`,
    `  while read -r old; do tc filter del ${at} handle "$old" bpf; done`,
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
    // A link whose mark has changed: what still bears the old one is routed like others.
    `ip -${family} rule show priority ${table} | grep -q 'fwmark ${markOf(link)} ' || {`,
    `  ip -${family} rule del priority ${table} 2>/dev/null || true`,
    `  ip -${family} rule add priority ${table} fwmark ${markOf(link)} lookup ${table}`,
    '}',
  ];
}

function markOf({ number, mark }: PolicyLink): string {
  const value = mark && isVlanMark(mark) ? vlanMarkBase + mark.vlan : markBase + number;
  return `0x${value.toString(16)}`;
}
