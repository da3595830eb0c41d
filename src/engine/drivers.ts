import type { Driver } from './snapshot.ts';

/** By number of the installed program and of the driver in use. */
export const drivers: readonly (Driver | undefined)[] = [
  undefined,
  'af_packet',
  'tc',
  'xdp',
  'mirror',
];
