/**
 * A clock that stands still while this machine does: a virtual one may get no processor for tenths of a second. For bounds
 * that are the product's own promise in seconds, which say nothing of time in which nothing could run.
 */
export function runningTime(): { readonly now: () => number; readonly stop: () => void } {
  let at = performance.now();
  let ran = 0;
  // Of a gap no more counts than a timer of a busy process may be late by.
  const beat = () => {
    const now = performance.now();
    ran += Math.min(now - at, 3 * beatMs);
    at = now;
  };
  const timer = setInterval(beat, beatMs);
  return {
    now: () => {
      beat();
      return ran;
    },
    stop: () => clearInterval(timer),
  };
}

const beatMs = 10;
