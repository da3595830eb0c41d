/** Drivers that configure border routers, as the rest of headgate opens them. */
import { birdDialect, birdReader } from './bird/dialect.ts';
import {
  createDriver,
  type DriverOptions,
  type RouterDialect,
  type RouterDriver,
  type RouterReader,
  together,
} from './driver.ts';
import { frrDialect, frrReader } from './frr/dialect.ts';
import type { LinkGateway } from './intent.ts';
import { sessionsDialect } from './sessions.ts';
import type { RouterShell } from './shell.ts';
import { createUndoTimer } from './undo-timer.ts';

export type { Applied, RouterDriver, RouterReader } from './driver.ts';
export {
  type DestinationRoute,
  emptyIntent,
  maxSessions,
  type RouterIntent,
  type SessionRoute,
} from './intent.ts';
export { openShell, type RouterShell } from './shell.ts';

/** How a router is reached and what of an intent it takes. */
export interface RouterAccess {
  readonly shell: RouterShell;
  /** On the router, for the timers that undo. */
  readonly folder: string;
  /** Of blocks and destinations; undefined where none are configured. */
  readonly daemon: DaemonAccess | undefined;
  /** Its links, where sessions are routed one by one by the kernel; undefined where none are. */
  readonly gateways: readonly LinkGateway[] | undefined;
  /** What is in force ends after so many seconds without another `apply`. */
  readonly leaseS: number;
  readonly isSafe?: DriverOptions['isSafe'];
}

export type DaemonAccess =
  | { readonly kind: 'bird'; readonly file: string; readonly socket?: string }
  | { readonly kind: 'frr'; readonly asn: number; readonly vtysh: readonly string[] };

export function openRouter(access: RouterAccess): RouterDriver {
  const { shell, folder, daemon, gateways, leaseS, isSafe } = access;
  const drive = (name: string, dialect: RouterDialect) =>
    createDriver(dialect, {
      lease: { timer: createUndoTimer(shell, `lease-${name}`, folder), seconds: leaseS },
      ...(isSafe ? { isSafe } : {}),
    });
  return together([
    ...(daemon ? [drive('daemon', daemonDialect(daemon, shell, folder))] : []),
    ...(gateways ? [drive('sessions', sessionsDialect({ shell, gateways, folder }))] : []),
  ]);
}

/** Asks a router's daemon. */
export function openReader(daemon: DaemonAccess, shell: RouterShell): RouterReader {
  return daemon.kind === 'bird'
    ? birdReader({ ...daemon, shell })
    : frrReader({ ...daemon, shell });
}

function daemonDialect(access: DaemonAccess, shell: RouterShell, folder: string): RouterDialect {
  return access.kind === 'bird'
    ? birdDialect({ ...access, shell })
    : frrDialect({ ...access, shell, folder });
}
