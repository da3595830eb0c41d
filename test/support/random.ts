/** Lehmer's generator (Park and Miller, 1988), so that what a seed drew can be drawn again: numbers from 0 to 1. */
export function randomOf(seed: number): () => number {
  let state = seed % 2_147_483_647 || 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
