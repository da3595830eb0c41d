/** How the tracker does on a capture whose true retransmissions are known, frame by frame. */
import { readFileSync } from 'node:fs';
import { startReplay } from '../../src/engine/replay.ts';
import { readTruth } from './captures.ts';
import { readTcpFrames } from './tcp-frames.ts';

export interface Score {
  readonly truth: number;
  /**
   * True retransmissions that nothing can tell and that were not found: no copy and nothing later had passed
   * before (new data to whoever stands here), or the network's copy of the frame that their side sent last.
   */
  readonly unseen: number;
  readonly found: number;
  readonly right: number;
}

export async function scoreCapture(
  folder: string,
  name: string,
  side: 'pre' | 'post',
  truthFolder: string,
): Promise<Score> {
  const truth = readTruth(`${truthFolder}/${name}.truth.json`);
  const path = `${folder}/${name}.${side}.pcap`;
  const { counts } = await startReplay({ path, withFrames: true }).result;
  const found = new Set(counts?.retransmissions.map(({ frame }) => frame));
  const frames = side === 'pre' ? truth.pre_retrans_frames : truth.post_retrans_frames;
  const hidden = hiddenFrames(path);
  return {
    truth: frames.length,
    unseen: frames.filter((frame) => hidden.has(frame) && !found.has(frame)).length,
    found: found.size,
    right: frames.filter((frame) => found.has(frame)).length,
  };
}

/** By the file alone, without any tracker. */
function hiddenFrames(path: string): Set<number> {
  const next = new Map<string, number>();
  const last = new Map<string, string>();
  const hidden = new Set<number>();
  for (const { frame, side, seq, end, bytes } of readTcpFrames(readFileSync(path))) {
    const before = next.get(side);
    const isAhead = before === undefined || ((seq - before) | 0) >= 0;
    if (isAhead || last.get(side) === bytes) hidden.add(frame);
    if (before === undefined || ((end - before) | 0) > 0) next.set(side, end);
    last.set(side, bytes);
  }
  return hidden;
}
