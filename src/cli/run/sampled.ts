import type { Log } from '../../daemon/log.ts';

/** So many equal messages of a while are written, */
const told = 10;
/** of so long, ms; */
const whileMs = 60_000;
/** and so many different ones are remembered. */
const messagesMax = 1000;

/** Writes a message that comes again and again a few times, and then how often it came. Counters are not sampled. */
export function sampled(log: Log, now: () => number): Log {
  const seen = new Map<string, { readonly since: number; times: number }>();
  const pass = (level: keyof Log) => (fields: object, message: string) => {
    const at = now();
    const entry = seen.get(message);
    if (entry && at - entry.since < whileMs) {
      entry.times++;
      if (entry.times <= told) log[level](fields, message);
      return;
    }
    const more = (entry?.times ?? 0) - told;
    if (seen.size >= messagesMax) seen.clear();
    seen.set(message, { since: at, times: 1 });
    log[level](more > 0 ? { ...fields, more } : fields, message);
  };
  return { debug: pass('debug'), info: pass('info'), warn: pass('warn'), error: pass('error') };
}
