import { request } from 'node:http';
import { connect } from 'node:net';
import type { DnsSettings } from '../core/settings/dns.ts';

type NameSettings = DnsSettings['names'][number];
export type CheckSettings = NonNullable<NameSettings['check']>;

export interface AddressHealth {
  readonly name: string;
  readonly link: string;
  readonly address: string;
  readonly isHealthy: boolean;
  /** The last check's result: `ok`, or why not. */
  readonly reason: string;
}

interface Watched {
  readonly name: string;
  readonly link: string;
  readonly address: string;
  readonly check: CheckSettings;
  isHealthy: boolean;
  reason: string;
  /** Results in a row that contradict `isHealthy`. */
  contrary: number;
}

/**
 * Checks every address of the names that want it, each at its interval. An address counts as healthy
 * until it has failed `fall` times, so that a restart takes nothing out.
 */
export class HealthChecks {
  readonly #watched: readonly Watched[];
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #abort = new AbortController();
  readonly #onChange: () => void;

  constructor(names: readonly NameSettings[], onChange: () => void) {
    this.#onChange = onChange;
    this.#watched = names.flatMap(({ name, addresses, check }) =>
      check === undefined
        ? []
        : addresses.map((entry) => ({
            name,
            link: entry.link,
            address: entry.address,
            check,
            isHealthy: true,
            reason: 'not checked yet',
            contrary: 0,
          })),
    );
  }

  start(): void {
    for (const [index, watched] of this.#watched.entries()) {
      // Spread over the interval, so that many addresses are not asked in one instant.
      const delay = (watched.check.interval * index) / this.#watched.length;
      this.#later(delay, watched);
    }
  }

  stop(): void {
    this.#abort.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  isHealthy(name: string, address: string): boolean {
    const watched = this.#watched.find((one) => one.name === name && one.address === address);
    return watched?.isHealthy ?? true;
  }

  states(): readonly AddressHealth[] {
    return this.#watched.map(({ name, link, address, isHealthy, reason }) => ({
      name,
      link,
      address,
      isHealthy,
      reason,
    }));
  }

  #later(delayMs: number, watched: Watched): void {
    const timer = setTimeout(async () => {
      this.#timers.delete(timer);
      const startedAt = performance.now();
      const reason = await checkAddress(
        watched.address,
        watched.name,
        watched.check,
        this.#abort.signal,
      );
      if (this.#abort.signal.aborted) return;
      this.#note(watched, reason);
      // The interval is from start to start: a slow failure must not make checks rarer.
      const rest = watched.check.interval - (performance.now() - startedAt);
      this.#later(Math.max(0, rest), watched);
    }, delayMs);
    this.#timers.add(timer);
  }

  #note(watched: Watched, reason: string): void {
    watched.reason = reason;
    const isGood = reason === 'ok';
    if (isGood === watched.isHealthy) {
      watched.contrary = 0;
      return;
    }
    watched.contrary++;
    if (watched.contrary < (isGood ? watched.check.rise : watched.check.fall)) return;
    watched.contrary = 0;
    watched.isHealthy = isGood;
    this.#onChange();
  }
}

/** One check. Resolves to `ok` or to why it failed, within the timeout; never rejects. */
export function checkAddress(
  address: string,
  name: string,
  check: CheckSettings,
  signal: AbortSignal,
): Promise<string> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(check.timeout)]);
  return check.kind === 'tcp'
    ? checkTcp(address, check.port, deadline)
    : checkHttp(address, name, check, deadline);
}

function checkTcp(host: string, port: number, deadline: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (reason: string) => {
      socket.destroy();
      resolve(reason);
    };
    deadline.addEventListener('abort', () => end('timeout'), { once: true });
    socket.once('connect', () => end('ok'));
    socket.once('error', (error) => end(codeOf(error)));
  });
}

function checkHttp(
  host: string,
  name: string,
  check: CheckSettings,
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve) => {
    const headers = { host: (check.host ?? name).replace(/\.$/, ''), connection: 'close' };
    const sent = request({
      host,
      port: check.port,
      path: check.path,
      headers,
      signal,
      agent: false,
    });
    sent.once('response', (response) => {
      const status = response.statusCode ?? 0;
      // The body does not matter, and is not waited for.
      response.destroy();
      const isGood =
        check.status === undefined ? status >= 200 && status < 400 : status === check.status;
      resolve(isGood ? 'ok' : `status ${status}`);
    });
    sent.once('error', (error) => resolve(signal.aborted ? 'timeout' : codeOf(error)));
    sent.end();
  });
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
