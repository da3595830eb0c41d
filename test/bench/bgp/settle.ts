/**
 * When a process has settled: all paths are there and it has stopped working. Measured alike for every implementation,
 * from its processor time: a count says when routes were received, not when they were chosen among.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { sum } from './receivers/receiver.ts';

/** Kernel ticks, 100 a second (USER_HZ). */
const tickMs = 10;
const sampleMs = 25;
const countEveryMs = 200;
/** Quiet: less processor time than this in the last while. */
const quietMs = 800;
const quietCpuMs = 40;

export interface Settled {
  /** From the first route sent until the work was done, s. */
  readonly seconds: number;
  /** Processor time from before the first route until then, s. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** What was resident before the first route came. */
  readonly residentBefore: number;
}

interface Sample {
  readonly atMs: number;
  readonly cpuMs: number;
}

/** Undefined when it ended, or did not settle in time. `startedMs` gives 0 until the first route is sent. */
export async function awaitSettled(
  pid: number,
  parts: {
    readonly wanted: number;
    readonly patienceMs: number;
    /** All in is settled, for what never becomes quiet. */
    readonly isNeverQuiet: boolean;
    readonly count: () => Promise<number>;
    readonly startedMs: () => number;
  },
): Promise<Settled | undefined> {
  const begin = Date.now();
  const samples: Sample[] = [];
  let before = { cpuMs: 0, residentBytes: 0 };
  let isIn = false;
  let countAt = 0;
  while (Date.now() - begin < parts.patienceMs) {
    const usage = readUsage(pid);
    if (!usage) return undefined;
    const now = Date.now();
    if (parts.startedMs() === 0) before = usage;
    samples.push({ atMs: now, cpuMs: usage.cpuMs });
    if (!isIn && parts.startedMs() > 0 && now >= countAt) {
      isIn = (await parts.count()) >= parts.wanted;
      countAt = Date.now() + countEveryMs;
    }
    const earlier = samples.findLast(({ atMs }) => atMs <= now - quietMs);
    const isQuiet = earlier !== undefined && usage.cpuMs - earlier.cpuMs <= quietCpuMs;
    if (isIn && (isQuiet || parts.isNeverQuiet)) {
      const done = parts.isNeverQuiet
        ? now
        : (samples.find(({ cpuMs }) => cpuMs >= usage.cpuMs - quietCpuMs)?.atMs ?? now);
      return {
        seconds: (done - parts.startedMs()) / 1000,
        cpuSeconds: (usage.cpuMs - before.cpuMs) / 1000,
        residentBytes: usage.residentBytes,
        residentBefore: before.residentBytes,
      };
    }
    await new Promise((resolve) => setTimeout(resolve, sampleMs));
  }
  return undefined;
}

/** Of a process and all below it; undefined once it has ended. */
function readUsage(pid: number): { cpuMs: number; residentBytes: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold blanks: fields are counted from behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
    const below = childrenOf(pid).map(readUsage);
    return {
      cpuMs:
        (Number(fields[11]) + Number(fields[12])) * tickMs + sum(below.map((u) => u?.cpuMs ?? 0)),
      residentBytes: pages * 4096 + sum(below.map((u) => u?.residentBytes ?? 0)),
    };
  } catch {
    return undefined;
  }
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    const children = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim();
    return children.split(' ').filter(Boolean).map(Number);
  });
}
