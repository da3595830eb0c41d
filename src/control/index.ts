export {
  type AuditEvent,
  type AuditFault,
  type AuditHead,
  AuditLog,
  type AuditRecord,
  readAudit,
  verifyAudit,
} from './audit.ts';
export { type ControlClient, openControlClient } from './client.ts';
export { type ControlError, protocolVersion } from './protocol.ts';
export { type Role, socketOf } from './roles.ts';
export {
  type Act,
  type Answer,
  type Caller,
  type ControlServer,
  type ControlServerOptions,
  openControlServer,
} from './server.ts';
export type * from './views.ts';
