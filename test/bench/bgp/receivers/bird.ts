import { ask, launch, type ReceiverKind, receiverAddress, receiverAsn, sum } from './receiver.ts';

export const bird: ReceiverKind = {
  name: 'BIRD 2',
  program: '/usr/sbin/bird',
  start: (feeds) => {
    const sessions = feeds.map(
      ({ address, asn }, i) =>
        `protocol bgp feed${i} {
  local ${receiverAddress} as ${receiverAsn}; neighbor ${address} as ${asn}; multihop; strict bind yes;
  hold time 0; connect delay time 1;
  ipv4 { import all; export none; };
  ipv6 { import all; export none; };
}`,
    );
    const text = () =>
      `router id ${receiverAddress};\nprotocol device {}\n${sessions.join('\n')}\n`;
    const { folder, child, remove } = launch('bird', 'bird.conf', text, (at) => [
      'bird',
      '-f',
      '-c',
      `${at}/bird.conf`,
      '-s',
      `${at}/ctl`,
      '-P',
      `${at}/pid`,
    ]);
    // Each channel's own count: counting the table itself would stop BIRD for as long as it takes to walk it.
    const count = async () => {
      const shown = await ask(['birdc', '-s', `${folder}/ctl`, 'show', 'protocols', 'all']);
      return sum([...shown.matchAll(/Routes: +(\d+) imported/g)].map((match) => Number(match[1])));
    };
    return { child, count, remove };
  },
};
