/** Whom sessions are with, how far they are, and whose questions they follow: as a wire sees it. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { linkId, prefixText } from '../../src/core/base/units.ts';
import { Border, insideAddress, outsideAddress, unfit, until } from './border.ts';

t.setTimeout(120_000);

/** On the inside: answers every connection. On the outside: asks in DNS, then connects, many times. */
const server = `require('net').createServer((s) => s.end('x')).listen(8080, '${insideAddress}')`;
const query = '12340100000100000000000003777777076578616d706c6503636f6d0000010001';
const client = `
  const { connect } = require('net');
  const udp = require('dgram').createSocket('udp4');
  let left = 15;
  const next = () => {
    if (left-- === 0) return udp.close();
    udp.send(Buffer.from('${query}', 'hex'), 53, '${insideAddress}', () => {
      const s = connect(8080, '${insideAddress}');
      s.on('error', () => { left++; setTimeout(next, 100); });
      s.on('end', () => { s.end(); setTimeout(next, 20); });
      s.resume();
    });
  };
  next();`;

/** What the host on the outside sends arrives so much later from now on. */
const delayUs = 20_000;
async function delayOutside(t: Test, border: Border): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-networks-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const relay = join(folder, 'relay');
  execFileSync('cc', ['-O1', '-o', relay, 'test/support/delay-relay.c']);
  border.start('outside', relay, 'slow', String(delayUs));
  await until(
    'the relay is there',
    () => border.run('outside', 'ip', '-br', 'link'),
    (links) => links.includes('slow'),
  );
  const settings = ['ip_forward=1', 'conf.all.rp_filter=0', 'conf.slow.rp_filter=0'];
  for (const setting of [...settings, 'conf.slow.accept_local=1'])
    border.run('outside', 'sysctl', '-qw', `net.ipv4.${setting}`);
  const way = ['dev', 'slow', 'src', outsideAddress, 'table', '100'];
  border.run('outside', 'ip', 'link', 'set', 'slow', 'up');
  border.run('outside', 'ip', 'route', 'add', insideAddress, ...way);
  // What the host itself sends, and not what comes back from the relay.
  border.run('outside', 'ip', 'rule', 'add', 'pref', '100', 'iif', 'lo', 'lookup', '100');
}

const skip = unfit || (existsSync('/usr/bin/cc') ? false : 'no C compiler for the relay');

t.test('a network, its round trips, and its resolver', { skip }, async (t) => {
  const border = new Border('hgown');
  t.teardown(() => border.close());
  await delayOutside(t, border);
  const own = prefixText(`${insideAddress}/32`);
  const links = [{ link: linkId('north'), attribute: { wire: 'core' } }];
  const unit = await border.openUnit({ tables: { blocks: [own], links }, blocksMax: 1 });
  border.start('inside', process.execPath, '-e', server);
  await border.runAside('outside', process.execPath, '-e', client);
  const networks = await until(
    'the network is known',
    () => unit.networks(),
    (seen) => (seen[0]?.sessions ?? 0) >= 5,
  );
  t.match(networks, [
    { prefix: '10.77.0.0/24', host: outsideAddress, resolver: { address: outsideAddress } },
  ]);
  t.ok((networks[0]?.resolver?.votes ?? 0) >= 5);
  const [rtt] = networks[0]?.rtts ?? [];
  t.match(rtt, { link: 'north' });
  t.ok((rtt?.samples ?? 0) > 0, JSON.stringify(rtt));
  t.ok((rtt?.rttUs ?? 0) >= delayUs && (rtt?.rttUs ?? 0) < 1e6, JSON.stringify(rtt));

  const [seen] = await until(
    'enough round trips for quantiles',
    () => unit.blockRtts([own]),
    ([block]) => (block?.samples ?? 0) >= 20,
  );
  const { p50Us = 0, p95Us = 0 } = seen ?? {};
  // 20 ms lie between 16,384 and 24,576 us; a busy machine adds to them.
  t.ok(p50Us >= 16_384 && p50Us < 5e5 && p95Us >= p50Us, JSON.stringify(seen));
  const other = prefixText('192.0.2.0/24');
  await unit.publish({ blocks: [other], links });
  t.match(
    await unit.blockRtts([other, own]),
    [{ samples: 0 }, null],
    'who gets the counters of a block begins at nothing',
  );
});
