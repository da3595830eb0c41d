import type { BlockRtts, EngineSnapshot } from '../../../engine/index.ts';
import type { Sample } from '../../../metrics/index.ts';
import type { ProbeSamples } from '../../../probe/index.ts';
import type { SessionStatus } from '../../../speaker/index.ts';
import type { Loop } from '../../loop.ts';
import type { SourceLoss } from '../../measure/sources.ts';
import type { NameState } from '../../names.ts';
import type { Outbound } from '../../outbound/outbound.ts';
import type { Joint } from '../../units/joint.ts';

/** What the metrics are read from at a scrape. */
export interface Scrape {
  readonly snapshot: EngineSnapshot | undefined;
  /** Absent without wires, and before the first cycle. */
  readonly blockRtts: BlockRtts | undefined;
  readonly sessions: readonly SessionStatus[];
  readonly loop: Loop;
  /** Group of each block that has one, for networks of more blocks than are shown singly. */
  readonly groups: ReadonlyMap<string, string>;
  /** Conditions that `headgate status` complains of. */
  readonly conditions: number;
  /** By result and rail, since the start. */
  readonly moves: ReadonlyMap<string, number>;
  readonly cycleSeconds: { readonly sum: number; readonly count: number; readonly last: number };
  /** What went wrong in a cycle and was skipped, by component. */
  readonly failures: ReadonlyMap<string, number>;
  /** Requests on the control socket, by command and result. */
  readonly requests: ReadonlyMap<string, number>;
  /** What the sources beside the wire did not measure. */
  readonly sourceLosses: readonly SourceLoss[];
  /** Absent where no names are steered. */
  readonly names: NameState | undefined;
  /** Absent where nothing is probed. */
  readonly probes: Pick<ProbeSamples, 'links' | 'checks' | 'sent'> | undefined;
  /** Absent for a unit that is alone. */
  readonly joint: Joint | undefined;
  /** Lines that the recorder could not write. */
  readonly recordLost: number;
  readonly logLost: number;
  readonly auditLost: number;
  /** Absent where outbound traffic is not steered. */
  readonly outbound: Pick<Outbound, 'decided'> | undefined;
  /** Changes of configured routers, by `ROUTER RESULT`. */
  readonly configured: ReadonlyMap<string, number>;
  readonly history: { readonly bytes: number; readonly lost: ReadonlyMap<string, number> };
}

/** A family without labels: one sample, or none where nothing is known. */
export const one = (value: number | undefined): readonly Sample[] =>
  value === undefined ? [] : [{ labels: {}, value }];
