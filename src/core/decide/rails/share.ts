import { pass, percent, postpone, type Rail } from './rail.ts';

/** A cap on the share of all traffic that is on the move within one settle time. */
export const share: Rail = {
  name: 'share',
  judge: ({ shiftBitps, kind }, { policy, state, accepted, total }) => {
    if (kind === 'roll_back') return pass('share', 'a roll-back moves what had moved');
    let moving = 0;
    for (const pending of state.pending) moving += pending.shiftBitps;
    for (const other of accepted) moving += other.shiftBitps;
    const text = `${percent(moving / total)} on the move, ${percent(shiftBitps / total)} more, limit ${percent(policy.rails.sharePerRound)}`;
    // A block heavier than the limit could never move: it goes alone.
    if (moving === 0) return pass('share', text);
    return moving + shiftBitps <= policy.rails.sharePerRound * total
      ? pass('share', text)
      : postpone('share', text);
  },
};
