import type { ClusterOptions } from '../../src/cluster/index.ts';

/** What a unit does with what it hears, where a test asks only whether it is heard: nothing. */
export const passive: Pick<ClusterOptions, 'onPlan' | 'onDoubt' | 'onCommand' | 'onEvent'> = {
  onPlan: () => undefined,
  onDoubt: () => undefined,
  onCommand: async () => ({}),
  onEvent: () => undefined,
};
