/** `scripts/run --seconds N --json` as a script sees it, but for the installing and building in front of it. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Summary } from '../../src/cli/lab/summary.ts';
import { closeLab } from '../../src/lab/lab.ts';
import { listNamespaces } from '../../src/lab/namespaces.ts';
import { labTestSkip } from '../support/lab.ts';

const timeout = 200_000;
t.setTimeout(timeout);
const prefix = 'hgmain';
const skip =
  process.env.HEADGATE_LONG === '1'
    ? labTestSkip()
    : 'takes 45 s more: runs with --long; loop.test.ts covers the same parts';

t.test(
  'the main job prints one JSON value in which relief is to be seen',
  { skip, timeout },
  async (t) => {
    t.teardown(() => closeLab(prefix));
    const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
    const argv = [main, 'lab', 'run', '--prefix', prefix, '--seconds', '40', '--json'];
    const stdout = await new Promise<string>((resolve, reject) => {
      execFile(process.execPath, argv, (error, out) => (error ? reject(error) : resolve(out)));
    });
    const { before, after, moves, relief_s } = JSON.parse(stdout) as Summary;
    t.ok(
      after.goodput_mbps >= 1.4 * before.goodput_mbps,
      `${before.goodput_mbps} → ${after.goodput_mbps}`,
    );
    t.ok(moves.length > 0 && moves.every((move) => move.reason !== ''), 'each move has its reason');
    t.ok(relief_s !== null && relief_s < 30, `relief after ${relief_s} s`);
    for (const { name, capacity_mbps, measured_mbps, interface_mbps } of after.links) {
      t.ok(interface_mbps <= 0.95 * capacity_mbps, `${name} carries ${interface_mbps}`);
      // The unit reads its counters once a second, the interfaces are read twice: not the same ten seconds.
      const apart = Math.abs((measured_mbps ?? 0) - interface_mbps);
      t.ok(
        apart <= 0.1 * interface_mbps,
        `${name}: unit ${measured_mbps}, interface ${interface_mbps}`,
      );
    }
    t.notOk(
      listNamespaces().some((name) => name.startsWith(`${prefix}-`)),
      'nothing is left',
    );
  },
);
