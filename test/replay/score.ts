/** How the tracker does on a capture whose true retransmissions are known, frame by frame. */
import { readFileSync } from 'node:fs';
import { startReplay } from '../../src/engine/replay.ts';
import { readTruth } from './captures.ts';
import { readTcpFrames, type TcpFrame } from './tcp-frames.ts';

export interface Score {
  readonly truth: number;
  /**
   * True retransmissions that nothing can tell and that were not found: no copy and nothing later had passed
   * before (new data to whoever stands here), or the network's copy of the frame that their side sent last.
   */
  readonly unseen: number;
  readonly found: number;
  readonly right: number;
  /** Of the true ones that were found, those whose first copy never reached the tap: by truth, and as we say. */
  readonly before: { readonly truth: number; readonly said: number };
}

/** Of the retransmissions that pass before the loss: whether the receiver had all of it already. */
export interface NeedlessScore {
  /** Frames said to be lost beyond, and those that were sent again for a loss. */
  readonly lost: { readonly said: readonly number[]; readonly truth: readonly number[] };
  /** Frames said to be spurious, and how many of them the receiver had. */
  readonly spurious: { readonly said: number; readonly right: number };
}

export async function scoreNeedless(
  folder: string,
  name: string,
  truthFolder: string,
): Promise<NeedlessScore> {
  const truth = readTruth(`${truthFolder}/${name}.truth.json`);
  const path = `${folder}/${name}.pre.pcap`;
  const { counts } = await startReplay({ path, withFrames: true }).result;
  const dropped = new Set(truth.dropped);
  const had = repeated(path, ({ frame }) => !dropped.has(frame));
  const said = (wanted: string) =>
    (counts?.retransmissions ?? [])
      .filter((each) => each.class === wanted)
      .map((each) => each.frame);
  const spurious = said('spurious');
  return {
    lost: {
      said: said('lost_beyond'),
      truth: truth.pre_retrans_frames.filter((frame) => !had.has(frame)),
    },
    spurious: { said: spurious.length, right: spurious.filter((frame) => had.has(frame)).length },
  };
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
  const again = repeated(path, () => true);
  const lostBefore = new Set(
    counts?.retransmissions
      .filter((each) => each.class === 'lost_before')
      .map(({ frame }) => frame),
  );
  const known = frames.filter((frame) => found.has(frame));
  return {
    truth: frames.length,
    unseen: frames.filter((frame) => hidden.has(frame) && !found.has(frame)).length,
    found: found.size,
    right: known.length,
    before: {
      truth: known.filter((frame) => !again.has(frame)).length,
      said: known.filter((frame) => lostBefore.has(frame)).length,
    },
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

/** Frames of which every byte was in earlier ones of those that count, by remembering all of them. */
function repeated(path: string, counts: (frame: TcpFrame) => boolean): Set<number> {
  const seen = new Map<string, (readonly [number, number])[]>();
  const again = new Set<number>();
  for (const each of readTcpFrames(readFileSync(path))) {
    const { frame, side, seq, end } = each;
    if (seq === end) continue;
    const parts = seen.get(side) ?? [];
    seen.set(side, parts);
    let reached = seq;
    // Whatever part begins at or before what was reached and ends behind it, until none does.
    for (let isFurther = true; isFurther && ((end - reached) | 0) > 0; ) {
      isFurther = false;
      for (const [from, to] of parts) {
        if (((reached - from) | 0) < 0 || ((to - reached) | 0) <= 0) continue;
        reached = to;
        isFurther = true;
      }
    }
    if (((end - reached) | 0) <= 0) again.add(frame);
    if (counts(each)) parts.push([seq, end]);
  }
  return again;
}
