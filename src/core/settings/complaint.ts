/** A mistake at a path of the settings; `load` finds its line and column. */
export interface Complaint {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}
