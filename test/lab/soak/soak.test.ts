import t from 'tap';
import { labTestSkip } from '../../support/lab.ts';
import { describe, soak } from './soak.ts';

const skip =
  process.env.HEADGATE_LONG === '1'
    ? labTestSkip()
    : 'minutes of faults; with --long, or scripts/soak for hours';
const timeout = 1_500_000;
t.setTimeout(timeout);

t.test(
  'traffic flows and status is true through minutes of faults',
  { skip, timeout },
  async (t) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    t.comment(`seed ${seed}`);
    const report = await soak({ minutes: 4, seed, tell: (line) => t.comment(line) });
    t.ok(report.faults.length > 10);
    t.same(report.failures, [], `seed ${seed}`);
    t.comment(describe(report));
  },
);
