/** What the facts mean for a unit, and what to do about each. Pure. */
import type { Settings } from '../../core/settings/index.ts';
import type { Facts, PortFacts } from './facts.ts';

export interface Finding {
  readonly topic: string;
  /** `fail`: a unit would not start or would lose traffic; `warn`: it works, with what the text says. */
  readonly state: 'ok' | 'warn' | 'fail';
  readonly what: string;
  /** What to do; absent when all is well. */
  readonly todo?: string;
}

/** Bits of capabilities(7), and the options of systemd that give them. */
const capabilities = [
  ['CAP_NET_BIND_SERVICE', 10n],
  ['CAP_NET_ADMIN', 12n],
  ['CAP_NET_RAW', 13n],
  ['CAP_IPC_LOCK', 14n],
  ['CAP_BPF', 39n],
] as const;

/** What merges or splits packets between the card and us, so that they are not those on the wire. */
const merging = ['large-receive-offload', 'rx-vlan-offload', 'tx-vlan-offload'];
/** Drivers whose XDP forwards in the card's own ring; others do it in the kernel's generic path, which is slower. */
const nativeXdp = new Set(
  'bnxt_en ena fec gve i40e iavf ice igb igc ixgbe ixgbevf mlx4_en mlx5_core mvneta mvpp2 netvsc nfp qede sfc tsnep tun veth virtio_net'.split(
    ' ',
  ),
);
const nodeMin = 20;
const kernelMin = [6, 1] as const;
const flowBufferMin = 4_194_304;

export function judge(settings: Settings, facts: Facts): readonly Finding[] {
  return [
    ...versions(facts),
    ...rights(settings, facts),
    ...settings.wires.flatMap((wire) => wireFindings(wire, facts)),
    ...managementFindings(settings, facts),
    ...routerFindings(settings, facts),
    ...clockFindings(facts),
    ...files(settings, facts),
  ];
}

const good = (topic: string, what: string): Finding => ({ topic, state: 'ok', what });
const bad = (topic: string, what: string, todo: string): Finding => ({
  topic,
  state: 'fail',
  what,
  todo,
});
const poor = (topic: string, what: string, todo: string): Finding => ({
  topic,
  state: 'warn',
  what,
  todo,
});

function versions({ node, kernel }: Facts): Finding[] {
  const [major = 0, minor = 0] = kernel.split('.').map(Number);
  const isOld = major < kernelMin[0] || (major === kernelMin[0] && minor < kernelMin[1]);
  return [
    Number(node.split('.')[0]) >= nodeMin
      ? good('node', `Node.js ${node}`)
      : bad('node', `Node.js ${node}`, `install Node.js ${nodeMin} or later`),
    isOld
      ? bad('kernel', `Linux ${kernel}`, 'run Linux 6.1 or later (Debian 12)')
      : good('kernel', `Linux ${kernel}`),
  ];
}

function rights({ wires }: Settings, { capabilities: has, hasBpffs }: Facts): Finding[] {
  const missing = capabilities.filter(([, bit]) => (has & (1n << bit)) === 0n);
  const names = missing.map(([name]) => name).join(' ');
  return [
    missing.length === 0
      ? good('capabilities', 'all that a unit needs')
      : poor(
          'capabilities',
          `this user lacks ${names}`,
          'run doctor as root to judge what only root sees; the service gets them by AmbientCapabilities=',
        ),
    ...(wires.length === 0 || hasBpffs
      ? []
      : [
          poor(
            'bpf',
            'no BPF file system is mounted',
            'headgate wire install mounts one of its own',
          ),
        ]),
  ];
}

function wireFindings(wire: Settings['wires'][number], { ports }: Facts): Finding[] {
  const topic = `wire ${wire.name}`;
  const names = [wire.inside, ...(wire.outside === undefined ? [] : [wire.outside])];
  const found = names.map((name) => ports.get(name));
  const here = found.filter((port): port is PortFacts => port?.exists === true);
  const findings = names.flatMap((name, i) =>
    found[i]?.exists
      ? []
      : [bad(topic, `there is no interface ${name}`, 'ip -br link shows what there is')],
  );
  for (const port of here) findings.push(...portFindings(topic, port, wire.driver));
  const [one, other] = here;
  if (one && other && one.mtu !== other.mtu) {
    findings.push(
      bad(
        topic,
        `MTU ${one.mtu} at ${one.name}, ${other.mtu} at ${other.name}`,
        `ip link set ${other.name} mtu ${one.mtu}`,
      ),
    );
  }
  return findings.length > 0 ? findings : [good(topic, `${names.join(' and ')} are fit`)];
}

function portFindings(topic: string, port: PortFacts, driver: string): Finding[] {
  const { name, isUp, addresses, offloads, master } = port;
  const own = addresses.filter((address) => !address.startsWith('fe80:'));
  const on = (offloads ?? []).filter((offload) => merging.includes(offload));
  const isGeneric = port.driver !== undefined && !nativeXdp.has(port.driver);
  return [
    ...(isUp ? [] : [bad(topic, `${name} is down`, `ip link set ${name} up, at boot too`)]),
    ...(master === undefined
      ? []
      : [bad(topic, `${name} belongs to ${master}`, `ip link set ${name} nomaster`)]),
    ...(own.length === 0
      ? []
      : [
          bad(
            topic,
            `${name} has the address ${own.join(', ')}`,
            `ip addr flush dev ${name}: a port of a wire has no address`,
          ),
        ]),
    ...(offloads === undefined
      ? [poor(topic, `offloads of ${name} are unknown`, 'apt install ethtool')]
      : []),
    ...(on.length === 0
      ? []
      : [
          poor(
            topic,
            `${name} has ${on.join(', ')}: packets are not those on the wire`,
            `ethtool -K ${name} ${on.map((offload) => `${shortOf(offload)} off`).join(' ')}`,
          ),
        ]),
    ...(isGeneric && driver === 'xdp'
      ? [
          poor(
            topic,
            `${name}: driver ${port.driver} has no XDP of its own`,
            'set driver: tc, which is faster than generic XDP',
          ),
        ]
      : []),
  ];
}

/** ethtool's short words for what -K takes. */
const shortOf = (offload: string): string =>
  ({ 'large-receive-offload': 'lro', 'rx-vlan-offload': 'rxvlan', 'tx-vlan-offload': 'txvlan' })[
    offload
  ] ?? offload;

function managementFindings({ management, wires }: Settings, { ports }: Facts): Finding[] {
  const { interface: name, address } = management;
  if (name === undefined) return [];
  const port = ports.get(name);
  if (!port?.exists) {
    return [bad('management', `there is no interface ${name}`, 'set management.interface')];
  }
  const isWire = wires.some((wire) => wire.inside === name || wire.outside === name);
  const has = port.addresses.map((text) => text.split('/')[0]);
  return [
    ...(isWire
      ? [bad('management', `${name} is a port of a wire`, 'give BGP an interface of its own')]
      : []),
    address === undefined || has.includes(address)
      ? good('management', `${name} has ${has.join(', ') || 'no address'}`)
      : bad(
          'management',
          `${name} does not have ${address}`,
          `ip addr add ${address} dev ${name}, or change management.address`,
        ),
  ];
}

function routerFindings({ routers }: Settings, { bgp }: Facts): Finding[] {
  return routers.flatMap(({ name, address, bgp: session }) => {
    if (!bgp.has(name)) return [];
    const why = bgp.get(name);
    const topic = `router ${name}`;
    if (why === undefined) return [good(topic, `${address} takes BGP connections`)];
    const port = session?.port ?? 179;
    const isSecured = session?.md5 ?? session?.md5File ?? session?.ttlSecurityHops;
    return isSecured
      ? [
          poor(
            topic,
            `${address} port ${port}: ${why}, which MD5 or TTL security would explain`,
            'headgate bgp says how the session of a running unit stands',
          ),
        ]
      : [
          bad(
            topic,
            `${address} port ${port}: ${why}`,
            `headgate router-config ${name} prints what the router needs; check routes and filters between`,
          ),
        ];
  });
}

function clockFindings({ isClockSynchronised: is }: Facts): Finding[] {
  if (is === true) return [good('clock', 'synchronised')];
  const what = is === undefined ? 'nothing tells whether it is right' : 'not synchronised';
  return [poor('clock', what, 'apt install chrony: bills and histories are cut by the wall clock')];
}

function files({ flows }: Settings, { unwritable, exposed, rmemMax }: Facts): Finding[] {
  return [
    ...unwritable.map((folder) =>
      bad(
        'files',
        `${folder} cannot be written by this user`,
        'run as root, or as the unit’s user',
      ),
    ),
    ...exposed.map((path) =>
      poor('secrets', `everybody may read ${path}`, `chmod o= ${path}; chgrp headgate ${path}`),
    ),
    ...(flows && rmemMax < flowBufferMin
      ? [
          poor(
            'flows',
            `socket buffers hold at most ${rmemMax} bytes: bursts of exports are lost`,
            'sysctl -w net.core.rmem_max=67108864; the package’s sysctl file does it at boot',
          ),
        ]
      : []),
  ];
}
