/** Whom sessions are with, how far they are, and whose questions they follow: as a wire sees it. */
import t from 'tap';
import { linkId, prefixText } from '../../src/core/base/units.ts';
import { Border, insideAddress, outsideAddress, unfit, until } from './border.ts';

t.setTimeout(120_000);

/** On the inside: answers every connection. On the outside: asks in DNS, then connects, five times. */
const server = `require('net').createServer((s) => s.end('x')).listen(8080, '${insideAddress}')`;
const query = '12340100000100000000000003777777076578616d706c6503636f6d0000010001';
const client = `
  const { connect } = require('net');
  const udp = require('dgram').createSocket('udp4');
  let left = 5;
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

t.test('a network, its round trips, and its resolver', { skip: unfit }, async (t) => {
  const border = new Border('hgown');
  t.teardown(() => border.close());
  const unit = await border.openUnit({
    tables: {
      blocks: [prefixText(`${insideAddress}/32`)],
      links: [{ link: linkId('north'), attribute: { wire: 'core' } }],
    },
  });
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
  t.ok((rtt?.samples ?? 0) > 0 && (rtt?.rttUs ?? 0) < 1e6, JSON.stringify(rtt));
});
