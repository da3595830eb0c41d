/** Probes over two real paths whose way back loses and delays as much as the test says. */
import t from 'tap';
import { wilson } from '../../../src/probe/statistics.ts';
import { skipWithoutRouter } from '../../support/collected-router.ts';
import { makeProbedPaths, target } from '../../support/probed-paths.ts';

// The runner's own limit is shorter than a busy machine may need.
t.setTimeout(600_000);

interface Row {
  readonly link: string;
  readonly sent: number;
  readonly lost: number;
  readonly rtt_us: number;
}

const isLong = process.env.HEADGATE_LONG === '1';
const skip = skipWithoutRouter('nft', 'cc');

t.test('probes measure the returning path of each link', { skip }, async (t) => {
  const paths = await makeProbedPaths('hgcp');
  t.teardown(() => paths.remove());
  const probe = async (family: 4 | 6, ...more: readonly string[]): Promise<readonly Row[]> => {
    const command = ['node', 'dist/src/cli/main.js', 'probe', target[family], '--json'];
    // The command's own face: an array of rows.
    return JSON.parse(
      await paths.inUnit([...command, '--config', paths.settings, ...more]),
    ) as readonly Row[];
  };

  await t.test('delay within 5 % or 0.5 ms, loss within the binomial error', async (t) => {
    const faults = {
      north: { delayUs: 20_000, loss: 0 },
      south: { delayUs: 5_000, loss: isLong ? 0.01 : 0.1 },
    };
    // What the namespaces and this process take by themselves, with the relay in the way.
    await paths.impose('north', { delayUs: 0, loss: 0 });
    await paths.impose('south', { delayUs: 0, loss: 0 });
    const idle = await probe(4, '--count', '30');
    for (const link of ['north', 'south'] as const) await paths.impose(link, faults[link]);
    const count = isLong ? '1000' : '60';
    const [v4, v6] = await Promise.all([probe(4, '--count', count), probe(6, '--count', count)]);
    for (const [family, rows] of [
      [4, v4],
      [6, v6],
    ] as const) {
      t.same(
        rows.map(({ link }) => link),
        ['north', 'south'],
      );
      for (const row of rows) {
        const { delayUs, loss } = row.link === 'north' ? faults.north : faults.south;
        const ownUs = idle.find(({ link }) => link === row.link)?.rtt_us ?? 0;
        const error = Math.abs(row.rtt_us - ownUs - delayUs);
        // Twice the goal's half millisecond: the machine may run other things at the same time.
        const isClose = error <= Math.max(1000, delayUs * 0.05);
        t.ok(isClose, `IPv${family} ${row.link}: ${row.rtt_us.toFixed(0)} us of ${delayUs} us`);
        // Four standard deviations: one run in ten thousand fails by chance.
        const [low, high] = wilson(row.lost, row.sent, 4);
        const isWithin = loss === 0 ? row.lost <= 1 : low <= loss && loss <= high;
        t.ok(
          isWithin,
          `IPv${family} ${row.link}: lost ${row.lost} of ${row.sent}, ${loss} imposed`,
        );
      }
    }
  });

  await t.test('a refused TCP connection and a closed UDP port are answers', async (t) => {
    for (const method of ['tcp', 'udp']) {
      for (const family of [4, 6] as const) {
        const rows = await probe(family, '--method', method, '--link', 'north', '--count', '4');
        t.equal(rows[0]?.lost, 0, `${method} over IPv${family}`);
        t.ok((rows[0]?.rtt_us ?? 0) > 20_000);
      }
    }
  });

  await t.test('a link without a way back loses everything, the other nothing', async (t) => {
    await paths.impose('north', { delayUs: 0, loss: 1 });
    await paths.impose('south', { delayUs: 0, loss: 0 });
    const rows = await probe(4, '--count', '5');
    t.match(rows, [
      { link: 'north', lost: 5 },
      { link: 'south', lost: 0 },
    ]);
  });
});
