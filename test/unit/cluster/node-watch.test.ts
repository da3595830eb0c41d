/** When a NATS node that answers nothing is left for another. */
import t from 'tap';
import { NodeWatch } from '../../../src/cluster/node-watch.ts';

t.test('silence is borne for the patience, then twice as long each time, until an answer', (t) => {
  const watch = new NodeWatch(4000);
  /** Requests each second from `fromMs` on: after how long the node is left. */
  const leftAfterMs = (fromMs: number) => {
    let nowMs = fromMs;
    while (!watch.unanswered(nowMs)) nowMs += 1000;
    return nowMs - fromMs;
  };
  t.equal(leftAfterMs(0), 4000);
  t.equal(leftAfterMs(5000), 8000);
  for (let i = 0; i < 4; i++) leftAfterMs(i * 100_000);
  t.equal(leftAfterMs(1_000_000), 60_000, 'a minute at most');
  watch.answered();
  t.equal(leftAfterMs(2_000_000), 4000);
  t.end();
});

t.test('one answer among failures is reason enough to stay', (t) => {
  const watch = new NodeWatch(4000);
  for (let nowMs = 0; nowMs < 60_000; nowMs += 1000) {
    if (nowMs % 3000 === 0) watch.answered();
    t.notOk(watch.unanswered(nowMs));
  }
  t.end();
});
