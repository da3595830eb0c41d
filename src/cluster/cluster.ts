/** What a cluster is to one unit: the words between this folder and whoever joins it with the rest. */
import type { Result } from '../core/base/result.ts';
import type { ClusterClock } from './bus.ts';
import type { Membership, Standing } from './membership.ts';
import type { PlanMark, PublishError, StoredPlan } from './plan-store.ts';

export interface ClusterOptions {
  /** Prefix of every subject and bucket, so that several networks may share a NATS. */
  readonly network: string;
  readonly unit: string;
  /** All units, this one included. */
  readonly units: readonly string[];
  readonly leaseMs: number;
  readonly silentMs: number;
  readonly holdMs: number;
  readonly clock: ClusterClock;
  /** The plan in force, as another unit decided it. */
  readonly onPlan: (plan: StoredPlan) => void;
  /**
   * This unit has a later plan than it goes by, and the leader fell silent before it said which holds: the others may
   * go by either.
   */
  readonly onDoubt: (plan: StoredPlan) => void;
  /** A command for this unit; the answer is sent back. */
  readonly onCommand: (body: unknown, from: string) => Promise<unknown>;
  readonly onEvent: (event: ClusterEvent) => void;
}

export type ClusterEvent =
  | { readonly kind: 'connected' | 'disconnected' | 'became_leader' | 'no_longer_leader' }
  | { readonly kind: 'not_connected' | 'refused_message'; readonly reason: string };

export interface UnitReport {
  readonly unit: string;
  /** Milliseconds since it was measured: as old as it was when it was sent, and since it arrived. */
  readonly ageMs: number;
  readonly body: unknown;
}

export interface Cluster {
  readonly unit: string;
  /** Holds the lease, and has put its fence on the plan in force. */
  isLeader(): boolean;
  /** Who leads, as far as was heard; undefined where nobody was for `silentMs`. */
  leader(): string | undefined;
  /** What this unit does about the plan it has: follow, hold, or return to plain BGP. */
  standing(): Standing;
  /** Milliseconds until this unit lets go, while it holds. */
  holdLeftMs(): number;
  membership(): Membership;
  isConnected(): boolean;
  /** The plan that this unit goes by. */
  plan(): PlanMark | undefined;
  /** Latest report of every unit, this one included; of others only while this unit leads. */
  reports(): readonly UnitReport[];
  /** Asks all others to report again what they measured last. */
  callReports(): void;
  /** Sends this unit's observation to whoever leads. */
  report(body: unknown): void;
  /**
   * Makes a plan the one in force: resolves when each of `units` has it and all go by it from now on; those are the units
   * that counted as heard when it was decided. Only the leader may; `superseded`: another unit leads by now.
   */
  publishPlan(body: unknown, units: readonly string[]): Promise<Result<StoredPlan, PublishError>>;
  ask(unit: string, body: unknown, timeoutMs: number): Promise<Result<unknown, string>>;
  /** Resolves when the plan in force is known (or that there is none), at the latest after `timeoutMs`. */
  ready(timeoutMs: number): Promise<void>;
  /** Whose messages are refused, and why; of lately. */
  refusals(): readonly string[];
  counters(): Readonly<Record<string, number>>;
  /** Says goodbye to the others; twice is harmless. */
  stop(): Promise<void>;
}
