/** A headgate name server by itself, for the bench: server.js PORT native|javascript NAMES. */
import { dns } from '../../../src/core/settings/dns.ts';
import { openDnsSockets } from '../../../src/engine/dns.ts';
import { startSteer } from '../../../src/steer/index.ts';

const [port = '', mode = '', namesFile = ''] = process.argv.slice(2);
const settings = dns.parse({
  listen: ['127.0.0.1'],
  port: Number(port),
  zones: [
    {
      name: 'svc.example.net',
      nameservers: [{ name: 'ns1.svc.example.net', addresses: ['203.0.113.53'] }],
      file: namesFile,
    },
  ],
  names: Array.from({ length: 20 }, (_, i) => ({
    name: `w${i}.svc.example.net`,
    addresses: [
      { link: 'north', address: '203.0.113.10' },
      { link: 'south', address: '198.51.100.10' },
    ],
  })),
  // One load generator asks everything: the limit is paid for, and never met.
  rate_limit: { responses_per_second: 1_000_000 },
});
await startSteer({
  settings,
  serial: 1,
  weights: { default: { north: 5000, south: 5000 }, networks: [] },
  ...(mode === 'native' && { openNativeUdp: openDnsSockets }),
});
process.stdout.write('ready\n');
