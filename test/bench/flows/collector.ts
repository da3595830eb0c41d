/** Our contender: a flow collector as a process of its own. Usage: collector.js PORT; on SIGTERM it prints its tally. */

import { createFlowCollector } from '../../../src/collect/flow/index.ts';
import { parsePrefix } from '../../../src/core/base/prefix.ts';
import { linkId } from '../../../src/core/base/units.ts';
import { exporterAddress, networks } from './exports.ts';

const port = Number(process.argv[2]);
const link = linkId('north');
const collector = createFlowCollector({
  listen: [{ address: '127.0.0.1', port }],
  exporters: [
    {
      address: exporterAddress,
      links: [{ link, ifIndex: 1 }],
      metering: 'any',
      layer2Overhead: 18,
      octets: 'ip',
    },
  ],
  account: {
    links: [link],
    networks: [],
    blocks: networks.map((text) => {
      const parsed = parsePrefix(text);
      if (!parsed.ok) throw new Error(text);
      return parsed.value;
    }),
    destinationLength: { ipv4: 24, ipv6: 48 },
    destinationsMax: 200_000,
    recordAgeMsMax: 600_000,
  },
});
await collector.start();
let records = 0;
const timer = setInterval(async () => {
  records += sum(await collector.samples());
}, 5000);
process.once('SIGTERM', async () => {
  clearInterval(timer);
  const samples = await collector.samples();
  records += sum(samples);
  const [exporter] = samples.exporters;
  process.stdout.write(
    JSON.stringify({
      records,
      decoded: exporter?.tally.records,
      lost: exporter?.tally.lost,
      socketDrops: samples.socketDrops,
    }),
  );
  await collector.stop();
});

function sum(samples: Awaited<ReturnType<typeof collector.samples>>): number {
  return samples.links.reduce((total, volume) => total + volume.records, 0);
}
