import { ask, launch, type ReceiverKind, receiverAddress, receiverAsn, sum } from './receiver.ts';

export const gobgp: ReceiverKind = {
  name: 'GoBGP',
  program: '/usr/bin/gobgpd',
  start: (feeds) => {
    const family = (name: string) => `  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "${name}-unicast"`;
    const neighbors = feeds.map(
      ({ address, asn }) => `[[neighbors]]
  [neighbors.config]
    neighbor-address = "${address}"
    peer-as = ${asn}
  [neighbors.ebgp-multihop.config]
    enabled = true
    multihop-ttl = 10
  [neighbors.transport.config]
    local-address = "${receiverAddress}"
${family('ipv4')}
${family('ipv6')}`,
    );
    const text = () => `[global.config]
  as = ${receiverAsn}
  router-id = "${receiverAddress}"
  local-address-list = ["${receiverAddress}"]
${neighbors.join('\n')}
`;
    const { child, remove } = launch('gobgp', 'gobgpd.toml', text, (at) => [
      'gobgpd',
      '-f',
      `${at}/gobgpd.toml`,
      '--api-hosts',
      '127.0.0.1:50051',
      '--pprof-disable',
    ]);
    const count = async () => {
      const shown = await ask(['gobgp', 'neighbor']);
      return sum([...shown.matchAll(/\|\s+(\d+)\s+\d+$/gm)].map((match) => Number(match[1])));
    };
    return { child, count, remove };
  },
};
