export { adviseWire, type WireAdvice } from './advice.ts';
export { type Capacity, capacityOf, kernelMemoryOf, memoryOf, sharedMemoryOf } from './capacity.ts';
export {
  defaultStaleMs,
  type InstalledStatus,
  installWire,
  readInstalled,
  releaseWire,
} from './install.ts';
export type * from './options.ts';
export { DestinationPacker, groupsMax } from './packer.ts';
export { openSecureListener, openSecureSocket } from './secure-socket.ts';
export type * from './snapshot.ts';
export { openWires } from './wires.ts';
