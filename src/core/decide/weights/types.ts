import type { Bitps, LinkId, Ms } from '../../base/units.ts';
import type { Terms } from '../score.ts';

/** Weights are whole parts of this many: finer ones would only make sessions begin elsewhere for nothing. */
export const weightParts = 64;

/** Destinations that may leave by the same links and are equally near by each: they are weighed as one. */
export interface DestinationClass {
  /** Tells of links and nearness, so that what has the same name has the same ways. */
  readonly name: string;
  readonly rate: Bitps;
  readonly ways: readonly ClassWay[];
}

export interface ClassWay {
  readonly link: LinkId;
  /** Round trips by this link, 0 (best) to 1 (worst of the links); as of all traffic of the link unless given. */
  readonly response?: number;
}

/** By link, parts of `weightParts`; 0: no new session while another link is up. */
export type LinkWeights = Readonly<Record<string, number>>;

/** What a class is given; plain JSON, remembered over a restart. */
export interface ClassWeights {
  readonly name: string;
  readonly weights: LinkWeights;
  /** Last change. */
  readonly since: Ms;
}

export interface WeightsPolicy {
  /** Load of a link, as a share of its capacity, from which on it costs as congestion. */
  readonly high: (link: LinkId) => number;
  /** Of all outbound traffic, what may be given other weights at once. */
  readonly sharePerRound: number;
  /** Least time between two changes. */
  readonly settleMs: Ms;
}

export interface DecidedClass extends ClassWeights {
  readonly rate: Bitps;
  /** What the optimum would be; `weights` go there in steps. */
  readonly wanted: LinkWeights;
  /** By link, what the next bit of this class would cost there. */
  readonly terms: Readonly<Record<string, Terms>>;
  /** Why the weights are as they are. */
  readonly text: string;
}

export interface WeightsPlan {
  readonly at: Ms;
  /** In the order of their names. */
  readonly classes: readonly DecidedClass[];
  /** What each link would carry with these weights once all sessions had begun under them. */
  readonly links: ReadonlyArray<{
    readonly link: LinkId;
    readonly capacity: Bitps;
    readonly planned: Bitps;
  }>;
  /** Whether any class has other weights than before. */
  readonly isChanged: boolean;
}

/** What a unit remembers, so that sessions keep their links over a restart. */
export interface RememberedWeights {
  /** Secret of the hash: who knows it could choose ports that all leave by one link. */
  readonly hashKey: string;
  readonly classes: readonly ClassWeights[];
  /** The class of what no prefix covers; absent before the first decision. */
  readonly otherwise?: string;
  readonly isOn: boolean;
}
