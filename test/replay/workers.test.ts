/** A file that several workers share out by session gives what one worker gives. */
import t from 'tap';
import { type ReplayCounts, startReplay } from '../../src/engine/replay.ts';
import { listCaptures, noCaptures } from './captures.ts';

async function replay(path: string, workers: number): Promise<ReplayCounts | undefined> {
  const { counts } = await startReplay({ path, workers, withFrames: true }).result;
  return counts;
}

t.test('one worker and three count the same', { skip: noCaptures }, async (t) => {
  const captures = listCaptures();
  let sessions = 0;
  for (const { name, path } of captures) {
    const one = await replay(path, 1);
    t.same(await replay(path, 3), one, name);
    sessions += one?.tcp.sessions ?? 0;
  }
  t.ok(sessions > 100, `${sessions} sessions shared out`);
});
