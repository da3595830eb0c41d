export { type ControlClient, openControlClient } from './client.ts';
export { type ControlError, protocolVersion } from './protocol.ts';
export {
  type Answer,
  type ControlServer,
  type ControlServerOptions,
  openControlServer,
} from './server.ts';
export type * from './views.ts';
