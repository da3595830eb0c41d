/** The first settings of a unit, with a comment at every part. Pure. */

export interface WireAnswer {
  readonly name: string;
  readonly inside: string;
  readonly outside: string;
  readonly place: 'inside' | 'link';
}

export interface LinkAnswer {
  readonly name: string;
  readonly asn: number;
  readonly capacity: string;
  /** The border router's MAC address on a wire of place `inside`. */
  readonly mac?: string;
  /** The wire that is this link, or that its packets pass. */
  readonly wire?: string;
}

export interface RouterAnswer {
  readonly name: string;
  readonly address: string;
}

/** What a person said, or what was found and they agreed to. */
export interface Answers {
  readonly asn: number;
  readonly networks: readonly string[];
  readonly management?: { readonly interface: string; readonly address?: string };
  readonly wires: readonly WireAnswer[];
  readonly links: readonly LinkAnswer[];
  readonly routers: readonly RouterAnswer[];
  /** Sentences on what was found beside, one line each. */
  readonly findings: readonly string[];
}

export function renderFirstSettings(answers: Answers): string {
  const { asn, networks, management, wires, links, routers, findings } = answers;
  const [router] = routers;
  return [
    '# Settings of this headgate unit, written by `headgate setup`.',
    '# `headgate check` says what they lead to, `headgate doctor` whether this machine is fit for them;',
    '# the example beside the documentation explains every key.',
    ...findings.map((finding) => `# Found: ${finding}`),
    '',
    '# Your AS number.',
    `asn: ${asn}`,
    '',
    '# Measures and plans, announces nothing. Then `advise` (waits for `headgate approve`), then `control`.',
    'mode: observe',
    '',
    '# Your own address space: nothing outside it ever leaves in an announcement.',
    `networks: [${networks.map(quoted).join(', ')}]`,
    '# How it is divided into what is counted and announced.',
    'blocks: { ipv4: 24, ipv6: 40 }',
    '',
    ...(management
      ? [
          '# Where BGP, metrics and probes live: never a port of a wire.',
          `management: { interface: ${management.interface}${management.address === undefined ? '' : `, address: ${quoted(management.address)}`} }`,
          '',
        ]
      : []),
    ...(wires.length > 0
      ? [
          '# Pairs of interfaces in-line: `inside` is between your hosts and the border router, `link` between it and a provider.',
          'wires:',
          ...wires.map(
            ({ name, place, inside, outside }) =>
              `  - { name: ${name}, place: ${place}, inside: ${inside}, outside: ${outside}, driver: auto }`,
          ),
          '',
        ]
      : ['# No wire yet: loads come from SNMP and flow exports of the routers.', '']),
    '# Upstream circuits: the provider’s AS number, what the circuit carries, how its packets are known.',
    '# Add what it costs, such as price: { model: percentile, commit: 2G, per_mbps: 0.45, currency: EUR }.',
    'links:',
    ...links.flatMap((link) => [
      `  - name: ${link.name}`,
      `    asn: ${link.asn}`,
      `    capacity: ${link.capacity}`,
      ...attributeOf(link),
      ...(router ? [`    router: ${router.name}`] : []),
    ]),
    '',
    ...(routers.length > 0
      ? [
          '# Border routers. With `bgp` the unit holds a session; `headgate router-config` prints what the router needs.',
          '# A key: bgp: { md5_file: /etc/headgate/NAME.md5 }. Counters: snmp: { version: "2c", community_file: … }.',
          'routers:',
          ...routers.map(
            ({ name, address }) => `  - { name: ${name}, address: ${quoted(address)}, bgp: {} }`,
          ),
          '',
        ]
      : []),
    '# What is wanted: only the ratios of these weights matter.',
    'objective: { balance: 1, congestion: 4 }',
    '# Limits that can refuse or postpone a move; these are the defaults.',
    'rails: { dwell: 30m, moves_per_hour: 12, share_per_round: 10% }',
    '# Who may read, approve and do everything by `headgate`, beside root: groups of this machine.',
    '# control: { group: netadmin, approve_group: noc, read_group: staff }',
    '# Prometheus reads here; without authentication, so loopback or the management address.',
    "metrics: { listen: '127.0.0.1:9469' }",
    '',
  ].join('\n');
}

function attributeOf({ wire, mac }: LinkAnswer): readonly string[] {
  if (wire === undefined) return [];
  return [`    attribute: { wire: ${wire}${mac === undefined ? '' : `, mac: ${quoted(mac)}`} }`];
}

const quoted = (text: string) => JSON.stringify(text);
