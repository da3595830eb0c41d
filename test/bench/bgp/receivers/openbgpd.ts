import { chmodSync, mkdirSync } from 'node:fs';
import { ask, launch, type ReceiverKind, receiverAddress, receiverAsn, sum } from './receiver.ts';

export const openbgpd: ReceiverKind = {
  name: 'OpenBGPD',
  program: '/usr/sbin/bgpd',
  start: (feeds) => {
    // Its processes lock themselves in here; the service's own start would make it.
    mkdirSync('/run/openbgpd', { recursive: true });
    const neighbors = feeds.map(
      ({ address, asn }) => `neighbor ${address} {
  remote-as ${asn}
  local-address ${receiverAddress}
  multihop 10
  announce IPv4 unicast
  announce IPv6 unicast
}`,
    );
    const text = (folder: string) => `AS ${receiverAsn}
router-id ${receiverAddress}
listen on ${receiverAddress}
socket "${folder}/control"
fib-update no
nexthop qualify via default
${neighbors.join('\n')}
allow from any
allow to any
`;
    const { folder, child, remove } = launch('openbgpd', 'bgpd.conf', text, (at) => [
      '/usr/sbin/bgpd',
      '-d',
      '-f',
      `${at}/bgpd.conf`,
    ]);
    chmodSync(folder, 0o755);
    const count = async () => {
      const shown = await ask(['bgpctl', '-j', '-s', `${folder}/control`, 'show', 'neighbor']);
      // `"prefixes": { "sent": 0, "received": 7 }` of each neighbour.
      const received = shown.matchAll(/"prefixes":\s*{[^}]*"received":\s*(\d+)/g);
      return sum([...received].map((match) => Number(match[1])));
    };
    return { child, count, remove };
  },
};
