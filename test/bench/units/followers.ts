/**
 * Simulated units in a process of their own: each reports as its network would and confirms each plan, but reads none,
 * since 99 units on one machine would measure that machine. Arguments: port, units, links per unit, blocks.
 */
import { connect, headers } from '@nats-io/transport-node';
import { decodeMessage, encodeMessage, splitBytes } from '../../../src/cluster/messages.ts';
import { sharedReportOf } from './network.ts';

const [port = '4222', units = '1', links = '1', blocks = '1'] = process.argv.slice(2);
const partBytes = 512 * 1024;

for (let unit = 1; unit < Number(units); unit++) {
  const name = `u${unit}`;
  const connection = await connect({ servers: `127.0.0.1:${port}`, name });
  const shared = sharedReportOf(unit, { units: +units, links: +links, blocks: +blocks });
  let serial = 0;
  const say = (body: object) => connection.publish('bench.alive', encodeMessage(name, body));
  const report = () => {
    // Encoded anew: what each unit pays for its own report.
    const parts = splitBytes(encodeMessage(name, shared), partBytes);
    serial++;
    for (const [index, part] of parts.entries()) {
      const head = headers();
      const named = { Unit: name, Serial: serial, Index: index, Count: parts.length, Age: 0 };
      for (const [key, value] of Object.entries(named)) head.set(key, String(value));
      connection.publish('bench.report', part, { headers: head });
    }
  };
  let last = '';
  connection.subscribe('bench.alive', {
    callback: (error, message) => {
      if (error) return;
      const decoded = decodeMessage(message.data);
      if (!decoded.ok || decoded.value.unit !== 'u0') return;
      // A cast: what the leader in this bench says.
      const { has, goesBy } = decoded.value.body as {
        readonly has?: object;
        readonly goesBy?: object;
      };
      const key = JSON.stringify([has, goesBy]);
      if (key === last) return;
      last = key;
      say({ ...(has ? { has } : {}), ...(goesBy ? { goesBy } : {}) });
    },
  });
  connection.subscribe('bench.call', { callback: report });
  setInterval(() => say({}), 60_000);
  say({});
}
process.send?.('ready');
