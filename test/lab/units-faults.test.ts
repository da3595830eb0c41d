/**
 * Several units (drawn in `src/lab/units-topology.ts`) through random faults in one lab that goes on from sequence to
 * sequence, judged by `units/watch.ts`: 100 with HEADGATE_LONG=1, HEADGATE_SEQUENCES of them, from HEADGATE_SEED on.
 */
import t from 'tap';
import { labTestSkip } from '../support/lab.ts';
import { natsSkip } from './units/nats.ts';
import { playSequence } from './units/random-faults.ts';
import { UnitsStage } from './units/stage.ts';

const isLong = process.env.HEADGATE_LONG === '1';
const sequences = Number(process.env.HEADGATE_SEQUENCES ?? (isLong ? 100 : 0));
const first = Number(process.env.HEADGATE_SEED ?? 1);
const skip =
  labTestSkip(['/usr/sbin/bird', '/usr/lib/frr/bgpd']) ||
  natsSkip() ||
  (sequences > 0 ? false : 'set HEADGATE_LONG=1');
const startMs = 90_000;
/** Each has seconds of faults, and of healing on a busy machine. */
const timeout = 170_000 + sequences * 60_000;
t.setTimeout(2 * timeout);

t.test(`${sequences} random fault sequences from seed ${first}`, { skip, timeout }, async (t) => {
  const stage = await UnitsStage.open();
  t.teardown(() => stage.close());
  await stage.untilOne('one plan at all routers', startMs);
  stage.watch.judge();
  let [wrong, longest] = [0, 0];
  for (let seed = first; seed < first + sequences; seed++) {
    const from = Date.now();
    const outcome = await playSequence(stage, seed);
    longest = Math.max(longest, outcome.oneAfterMs);
    const seconds = Math.round((Date.now() - from) / 1000);
    t.comment(`seed ${seed}: ${seconds} s, one plan ${outcome.oneAfterMs} ms after healing`);
    if (outcome.wrong.length === 0) continue;
    wrong++;
    t.fail(`seed ${seed}`, { faults: outcome.faults, wrong: outcome.wrong });
  }
  t.equal(wrong, 0, `one plan at the latest ${longest} ms after healing`);
  t.ok(stage.watch.figures.changes > 0, 'blocks moved meanwhile');
  t.comment(JSON.stringify(stage.watch.figures));
});
