/**
 * The client of RPKI caches (RFC 8210): one session at a time, with the first cache of the list that answers. Loss of a
 * session loses no data: the set stays as it was until it expires, and is then said to be stale, never guessed.
 */
import type { Duplex } from 'node:stream';
import type { Prefix } from '../core/base/prefix.ts';
import { Splitter } from '../core/base/splitter.ts';
import type { VrpTable } from '../core/bgp/rpki.ts';
import { type IntakeError, type IntakeOutcome, VrpIntake } from '../core/bgp/vrp-intake.ts';
import {
  decodeRtrPdu,
  encodeResetQuery,
  encodeRtrErrorReport,
  encodeSerialQuery,
  type RtrVersion,
  rtrError,
  rtrFraming,
} from '../core/wire/rtr/pdu.ts';
import type { Clock, OpenSocket, SpeakerLog } from './peering.ts';
import { openPlainSocket, systemClock } from './sockets.ts';
import { Counters } from './status.ts';

export interface RtrOptions {
  /** In the order of preference. */
  readonly caches: ReadonlyArray<{ readonly address: string; readonly port: number }>;
  /** Our own networks: VRPs that do not touch them are not kept. */
  readonly networks: readonly Prefix[];
  /** Milliseconds after which data is stale, when the cache does not ask for less. */
  readonly maxAgeMs: number;
  readonly clock?: Clock;
  readonly log: SpeakerLog;
  readonly openSocket?: OpenSocket;
}

export interface RtrStatus {
  /** `address port` of the cache that we are connected to. */
  readonly cache: string | undefined;
  /** VRPs that the cache told, and those of them that touch our networks. */
  readonly vrps: number;
  readonly kept: number;
  readonly serial: number | undefined;
  readonly ageMs: number | undefined;
  readonly lastError: string | undefined;
  readonly counters: Readonly<Record<string, number>>;
}

/** RFC 8210 section 6: what holds until a cache says otherwise, and what it may ask for, seconds. */
const defaults = { refreshS: 3_600, retryS: 600, expireS: 7_200 };
const limits = { refreshS: [1, 86_400], retryS: [1, 7_200], expireS: [600, 172_800] } as const;
/** Between two rounds through the caches while none has answered; our own choice, below the RFC's retry. */
const retryMinMs = 2_000;
const retryMaxMs = 60_000;
/** A cache that has not ended its answer by then is given up. */
const answerMs = 120_000;
const connectMs = 5_000;

export class RtrClient {
  readonly #options: RtrOptions;
  readonly #clock: Clock;
  readonly #intake: VrpIntake;
  readonly #counters = new Counters();
  #table: VrpTable | undefined;
  #intervals = defaults;
  #completeAtMs: number | undefined;
  #version: RtrVersion = 1;
  /** Place of the cache in the list, and of the one that the data's serial belongs to. */
  #cache = 0;
  #source: number | undefined;
  #socket: Duplex | undefined;
  #splitter = new Splitter(rtrFraming);
  #failures = 0;
  #lastError: string | undefined;
  #cancelTimer: (() => void) | undefined;
  #isStopped = true;

  constructor(options: RtrOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#intake = new VrpIntake(options.networks);
  }

  start(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    void this.#connect();
  }

  /** Twice is harmless. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer?.();
    this.#leave();
  }

  /** The VRPs that touch our networks; undefined before the first whole answer. */
  get table(): VrpTable | undefined {
    return this.#table;
  }

  /** No whole answer yet, or the last one is older than the cache or the settings allow. */
  get isStale(): boolean {
    const { maxAgeMs } = this.#options;
    const expireMs = Math.min(maxAgeMs, this.#intervals.expireS * 1000);
    return this.#completeAtMs === undefined || this.#clock.now() - this.#completeAtMs > expireMs;
  }

  /** What an operator should know; undefined while all is well. */
  get complaint(): string | undefined {
    if (this.#socket && !this.isStale) return undefined;
    const { ageMs, lastError } = this.status;
    const age =
      ageMs === undefined ? 'none were received' : `they are ${Math.round(ageMs / 60_000)} min old`;
    return `no cache is connected, ${age}${lastError === undefined ? '' : `: ${lastError}`}`;
  }

  get status(): RtrStatus {
    return {
      cache: this.#socket ? this.#nameOf(this.#cache) : undefined,
      vrps: this.#intake.seen,
      kept: this.#table?.size ?? 0,
      serial: this.#intake.mark?.serial,
      ageMs:
        this.#completeAtMs === undefined
          ? undefined
          : Math.round(this.#clock.now() - this.#completeAtMs),
      lastError: this.#lastError,
      counters: this.#counters.toJson(),
    };
  }

  async #connect(): Promise<void> {
    const cache = this.#options.caches[this.#cache];
    if (!cache || this.#isStopped) return;
    this.#counters.add('connects');
    try {
      const open = this.#options.openSocket ?? openPlainSocket;
      const socket = await open({ ...cache, timeoutMs: connectMs });
      if (this.#isStopped) socket.destroy();
      else this.#adopt(socket);
    } catch (cause) {
      this.#next(cause instanceof Error ? cause.message : String(cause));
    }
  }

  #adopt(socket: Duplex): void {
    this.#socket = socket;
    this.#splitter = new Splitter(rtrFraming);
    socket.on('data', (chunk: Buffer) => {
      if (socket === this.#socket) this.#receive(new Uint8Array(chunk));
    });
    socket.on('error', (error) => {
      if (socket === this.#socket) this.#next(error.message);
    });
    socket.on('close', () => {
      if (socket === this.#socket) this.#next('closed by the cache');
    });
    if (this.#source !== this.#cache) this.#intake.forgetMark();
    this.#query();
  }

  /** Asks for what changed, or for everything where there is nothing to go on from. */
  #query(): void {
    const { mark } = this.#intake;
    this.#intake.ask(mark ? 'changes' : 'all');
    this.#send(
      mark
        ? encodeSerialQuery(this.#version, mark.session, mark.serial)
        : encodeResetQuery(this.#version),
    );
    this.#wait(answerMs, () => this.#next('no whole answer in time'));
  }

  #receive(chunk: Uint8Array): void {
    this.#splitter.push(chunk);
    const socket = this.#socket;
    for (let next = this.#splitter.next(); next; next = this.#splitter.next()) {
      if (!next.ok) {
        this.#fail({ text: 'a PDU of an impossible length', code: 0, isReported: false });
        return;
      }
      this.#take(next.value);
      if (this.#socket !== socket) return;
    }
  }

  #take(bytes: Uint8Array): void {
    const pdu = decodeRtrPdu(bytes);
    if (!pdu.ok) {
      const { code, offset, errorCode } = pdu.error;
      this.#fail({ text: `${code} at byte ${offset}`, code: errorCode, isReported: false }, bytes);
      return;
    }
    const taken = this.#intake.take(pdu.value, this.#version);
    if (!taken.ok) {
      this.#fail(taken.error, bytes);
      return;
    }
    const outcome = taken.value;
    if (outcome.kind === 'complete') this.#complete(outcome);
    else if (outcome.kind !== 'more') this.#query();
  }

  #complete({ intervals: told, hasNews }: IntakeOutcome & { kind: 'complete' }): void {
    const within = (key: keyof typeof limits): number => {
      const [least, most] = limits[key];
      return Math.min(most, Math.max(least, told?.[key] ?? defaults[key]));
    };
    this.#intervals = {
      refreshS: within('refreshS'),
      retryS: within('retryS'),
      expireS: within('expireS'),
    };
    this.#table = this.#intake.table;
    this.#completeAtMs = this.#clock.now();
    this.#source = this.#cache;
    this.#failures = 0;
    this.#lastError = undefined;
    this.#counters.add('answers');
    const { serial, vrps, kept } = this.status;
    const cache = this.#nameOf(this.#cache);
    this.#options.log.info({ cache, serial, vrps, kept }, `rtr: ${cache}: ${vrps} VRPs`);
    if (hasNews) this.#query();
    else this.#wait(this.#intervals.refreshS * 1000, () => this.#refresh());
  }

  /** A cache of lower preference is left for a try of the better ones; its data stays meanwhile. */
  #refresh(): void {
    if (this.#cache === 0) {
      this.#query();
      return;
    }
    this.#leave();
    this.#cache = 0;
    void this.#connect();
  }

  #fail(error: IntakeError, pdu: Uint8Array = new Uint8Array(0)): void {
    this.#counters.add(`error.${error.code}`);
    if (!error.isReported)
      this.#send(encodeRtrErrorReport(this.#version, error.code, pdu, error.text));
    else if (error.code === rtrError.unsupportedVersion && this.#version > 0) {
      this.#version = 0;
      this.#leave();
      void this.#connect();
      return;
    }
    this.#intake.forgetMark();
    this.#next(error.text);
  }

  /** Goes to the next cache at once, and after the last one begins anew after a wait that grows. */
  #next(reason: string): void {
    const cache = this.#nameOf(this.#cache);
    this.#leave();
    this.#lastError = `${cache}: ${reason}`;
    this.#counters.add('failures');
    this.#options.log.warn({ cache, reason }, `rtr: ${cache}: ${reason}`);
    this.#version = 1;
    this.#cache = (this.#cache + 1) % this.#options.caches.length;
    if (this.#cache > 0) {
      void this.#connect();
      return;
    }
    const waitMs = Math.min(retryMaxMs, retryMinMs * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    this.#wait(waitMs, () => void this.#connect());
  }

  #leave(): void {
    this.#cancelTimer?.();
    this.#intake.cut();
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.on('error', () => {});
    socket?.end();
  }

  #send(bytes: Uint8Array): void {
    this.#socket?.write(bytes);
  }

  #wait(delayMs: number, call: () => void): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#isStopped ? undefined : this.#clock.after(delayMs, call);
  }

  #nameOf(place: number): string {
    const cache = this.#options.caches[place];
    return cache ? `${cache.address} port ${cache.port}` : 'no cache';
  }
}
