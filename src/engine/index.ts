export type * from './options.ts';
export type * from './snapshot.ts';
export { openWires } from './wires.ts';
