import { pass, type Rail, refuse } from './rail.ts';

/** A part of the groups is left alone, to compare against; which ones depends on their names only. */
export const control: Rail = {
  name: 'control',
  judge: ({ group, kind }, { policy }) => {
    const { controlShare } = policy.rails;
    if (kind === 'pin' || controlShare <= 0) return pass('control', 'not a control group');
    return unitHash(group.name) < controlShare
      ? refuse(
          'control',
          `left alone, one of the ${Math.round(controlShare * 100)} % to compare against`,
        )
      : pass('control', 'not a control group');
  },
};

/** FNV-1a with a final mix, to 0..1: the same on every machine. */
export function unitHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}
