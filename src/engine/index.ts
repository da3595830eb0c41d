export { defaultStaleMs, type GateStatus, installGate, readGate, releaseGate } from './gates.ts';
export type * from './options.ts';
export { openSecureListener, openSecureSocket } from './secure-socket.ts';
export type * from './snapshot.ts';
export { openWires } from './wires.ts';
