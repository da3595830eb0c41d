/**
 * The name server as a program of its own, for benches and namespaces: dns-server.js native|javascript SETTINGS,
 * the settings as JSON. Prints `ready`; then every line on stdin is a command as JSON (`{ "publish": WEIGHTS }`,
 * `{}`), answered by a snapshot as one line of JSON.
 */
import { createInterface } from 'node:readline';
import { dns } from '../../src/core/settings/dns.ts';
import { openDnsSockets } from '../../src/engine/dns.ts';
import { startSteer } from '../../src/steer/index.ts';
import { type PlainWeights, weightsOf } from './dns-program.ts';

interface Order {
  readonly publish?: PlainWeights;
}

const [mode = '', settings = ''] = process.argv.slice(2);
const steer = await startSteer({
  settings: dns.parse(JSON.parse(settings)),
  serial: 1,
  weights: { default: {}, networks: [] },
  ...(mode === 'native' && { openNativeUdp: openDnsSockets }),
});
process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  // Written by the tests of this project.
  const order = JSON.parse(line) as Order;
  if (order.publish) steer.publish(weightsOf(order.publish));
  process.stdout.write(`${JSON.stringify(steer.snapshot())}\n`);
}
await steer.close();
process.exit(0);
