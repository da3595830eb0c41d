import { loadNative } from './native.ts';

interface Native {
  notifyService(path: string, state: string): boolean;
}

/** What a service manager is told of a unit's life (sd_notify(3)); nothing where none listens. */
export interface ServiceManager {
  ready(): void;
  stopping(): void;
  /** Ends the keep-alive messages: from then on the service manager may think that we hang. */
  close(): void;
}

/**
 * Speaks to the service manager that the environment names: `NOTIFY_SOCKET`, and `WATCHDOG_USEC` for how often it
 * wants to hear of us. The messages leave by the event loop, so that a control plane that hangs goes silent.
 */
export function openServiceManager(
  environment: Readonly<Record<string, string | undefined>>,
): ServiceManager {
  const path = environment.NOTIFY_SOCKET;
  if (path === undefined || path === '') return { ready() {}, stopping() {}, close() {} };
  const native = loadNative<Native>();
  const tell = (state: string) => {
    native.notifyService(path, state);
  };
  const watchdogMs = Number(environment.WATCHDOG_USEC ?? 0) / 1000;
  // Twice within the time that it allows, as sd_watchdog_enabled(3) recommends.
  const timer = watchdogMs > 0 ? setInterval(() => tell('WATCHDOG=1'), watchdogMs / 2) : undefined;
  timer?.unref();
  return {
    ready: () => tell('READY=1'),
    stopping: () => tell('STOPPING=1'),
    close: () => clearInterval(timer),
  };
}
