/** Convex cost of a link's load: from `from` times the capacity on, each unit of load costs `slope`. */
export interface LoadStep {
  readonly from: number;
  readonly slope: number;
}

export interface AssignProblem {
  /** Capacity by link. */
  readonly capacity: Float64Array;
  /** Load by link that no assignment changes. */
  readonly base: Float64Array;
  /** Demand by block. */
  readonly demand: Float64Array;
  /** Link that a block is on now; -1 for none. */
  readonly home: Int32Array;
  /** Cost per unit of demand, at block × links + link; Infinity where a block may not go. Absent: 0 everywhere. */
  readonly cost?: Float64Array;
  /** Cost of moving a block at all, and per unit of its demand. */
  readonly moveFixed: number;
  readonly movePerUnit: number;
  /** Ascending in both; below the first, load is free. */
  readonly steps: readonly LoadStep[];
}

export interface Assignment {
  /** Link by block. */
  readonly link: Int32Array;
  readonly value: number;
  /** No assignment is cheaper than this. */
  readonly lowerBound: number;
}
