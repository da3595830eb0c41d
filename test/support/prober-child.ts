/**
 * A prober as a process of its own, to run inside a namespace. Usage: prober-child.js HOST...
 * Prints what it has to say of each link once a second, one JSON value in a line.
 */
import { parseAddress } from '../../src/core/base/prefix.ts';
import { linkId } from '../../src/core/base/units.ts';
import { createProber } from '../../src/probe/index.ts';

const address = (text: string) => {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};

const prober = createProber({
  links: [
    { link: linkId('north'), sources: [address('203.0.113.1')], dscp: 10 },
    { link: linkId('south'), sources: [address('203.0.113.2')], dscp: 20 },
  ],
  targets: process.argv
    .slice(2)
    .map((text) => ({ address: address(text), method: 'icmp', port: 0 })),
  // Some hundred probes a second over each link: an hour of the usual pace in a minute.
  intervalMs: 100,
  timeoutMs: 1000,
  budget: { perLink: 1000, perNetwork: 2000, prohibitedForMs: 1000 },
  never: [],
  significance: 0.001,
  nowMs: 6000,
});
await prober.start();
setInterval(() => process.stdout.write(`${JSON.stringify(prober.samples().links)}\n`), 1000);
