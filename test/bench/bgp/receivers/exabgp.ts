import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launch, type ReceiverKind, receiverAddress, receiverAsn } from './receiver.ts';

/** Counts the prefixes of the JSON lines that ExaBGP tells; the count so far replaces `count`. */
const counter = `import os, sys
total, told = 0, 0
for line in sys.stdin:
    total += line.count('"nlri"')
    if total - told > 2000 or '"eor"' in line:
        told = total
        with open(sys.argv[1] + '.new', 'w') as out: out.write(str(total))
        os.rename(sys.argv[1] + '.new', sys.argv[1])
`;

/** Not a router: it keeps its table only for a program that listens, so that program is part of what is measured. */
export const exabgp: ReceiverKind = {
  name: 'ExaBGP',
  program: '/usr/sbin/exabgp',
  start: (feeds) => {
    const neighbors = feeds.map(
      ({ address, asn }) => `neighbor ${address} {
  router-id ${receiverAddress};
  local-address ${receiverAddress};
  local-as ${receiverAsn};
  peer-as ${asn};
  hold-time 0;
  family { ipv4 unicast; ipv6 unicast; }
  api { processes [ counter ]; receive { parsed; update; } }
}`,
    );
    const text = (folder: string) => {
      writeFileSync(join(folder, 'counter.py'), counter);
      return `process counter {
  run /usr/bin/python3 ${folder}/counter.py ${folder}/count;
  encoder json;
}
${neighbors.join('\n')}
`;
    };
    const { folder, child, remove } = launch('exabgp', 'exabgp.conf', text, (at) => [
      'env',
      'exabgp.daemon.user=root',
      'exabgp.log.enable=false',
      'exabgp.api.cli=false',
      'exabgp',
      `${at}/exabgp.conf`,
    ]);
    const count = async () => {
      try {
        return Number(readFileSync(join(folder, 'count'), 'utf8'));
      } catch {
        // Nothing has come yet.
        return 0;
      }
    };
    return { child, count, remove };
  },
};
