/** Forwards both ways as an addon for packets makes it easy: one JavaScript call for each. FOLDER IFACE IFACE. */
import { createRequire } from 'node:module';

interface Cap {
  open(device: string, filter: string, bufferBytes: number, packet: Buffer): string;
  setMinBytes?(bytes: number): void;
  on(event: 'packet', listener: (bytes: number) => void): void;
  send(packet: Buffer, bytes: number): void;
}

const [folder = '', inside = '', outside = ''] = process.argv.slice(2);
// The package has no types; these are the parts of its README that are used.
const { Cap } = createRequire(`${folder}/`)('cap') as { readonly Cap: new () => Cap };

const ports = [inside, outside].map((device) => {
  const cap = new Cap();
  const packet = Buffer.alloc(65_536);
  cap.open(device, 'inbound', 64 << 20, packet);
  cap.setMinBytes?.(0);
  return { cap, packet };
});
for (const [i, { cap, packet }] of ports.entries()) {
  const other = ports[1 - i];
  cap.on('packet', (bytes) => other?.cap.send(packet, bytes));
}
process.stdout.write('ready\n');
