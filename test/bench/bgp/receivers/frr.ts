import { ask, launch, type ReceiverKind, receiverAddress, receiverAsn, sum } from './receiver.ts';

/** bgpd alone: no zebra takes its routes on to a kernel. */
export const frr: ReceiverKind = {
  name: 'FRR',
  program: '/usr/lib/frr/bgpd',
  start: (feeds) => {
    const neighbors = feeds.map(
      ({ address, asn }) =>
        ` neighbor ${address} remote-as ${asn}
 neighbor ${address} ebgp-multihop
 neighbor ${address} disable-connected-check
 neighbor ${address} timers 0 0
 neighbor ${address} timers connect 1
 address-family ipv6 unicast
  neighbor ${address} activate
 exit-address-family`,
    );
    const text = () =>
      `router bgp ${receiverAsn}\n bgp router-id ${receiverAddress}\n no bgp ebgp-requires-policy\n${neighbors.join('\n')}\nexit\n`;
    const { folder, child, remove } = launch('frr', 'bgpd.conf', text, (at) => [
      '/usr/lib/frr/bgpd',
      '-Z',
      '-S',
      '-f',
      `${at}/bgpd.conf`,
      '-i',
      `${at}/pid`,
      '--vty_socket',
      at,
      '-P',
      '0',
      '-l',
      receiverAddress,
    ]);
    const count = async () => {
      const show = ['-d', 'bgpd', '-c', 'show bgp summary json'];
      const shown = await ask(['vtysh', '--vty_socket', folder, ...show]);
      return sum([...shown.matchAll(/"pfxRcd":(\d+)/g)].map((match) => Number(match[1])));
    };
    return { child, count, remove };
  },
};
