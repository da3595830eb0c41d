import { createSocket } from 'node:dgram';
import { hostname } from 'node:os';
import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { Settings } from '../../core/settings/index.ts';

/** What waits for a reader that is slow; of more the newest lines are given up. */
const waitingBytesMax = 1 << 18;

export interface UnitLog {
  readonly log: Logger;
  /** Lines that nobody took. */
  readonly lost: () => number;
}

/** JSON lines for a collector, readable lines on a terminal; always on stderr, and to syslog where settings say so. */
export function openLog({ log }: Pick<Settings, 'log'>): UnitLog {
  let lost = 0;
  const stderr = process.stderr.isTTY
    ? pretty({ destination: 2, sync: true, ignore: 'pid,hostname' })
    : openStderr(() => lost++);
  const { level, syslog } = log;
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime } as const;
  const streams = [
    { level, stream: stderr },
    ...(syslog ? [{ level, stream: openSyslog(syslog) }] : []),
  ];
  return { log: pino(options, pino.multistream(streams)), lost: () => lost };
}

/** Never waits for whoever reads: a collector that hangs must not take the BGP sessions with it. */
function openStderr(onLost: () => void) {
  const stream = pino.destination({ dest: 2, sync: false, maxLength: waitingBytesMax });
  stream.on('drop', onLost);
  return stream;
}

/** Facility 3 (system daemons), RFC 5424 section 6.2.1. */
const facility = 3;
/** The longest message that every receiver takes (RFC 5426 section 3.2). */
const bytesMax = 2048;

/** One line of the log as a syslog message (RFC 5424); the line itself, which is JSON, is its text. */
export function formatSyslog(line: string, host: string, pid: number): string {
  const { level, time } = fieldsOf(line);
  const severity = level >= 60 ? 2 : level >= 50 ? 3 : level >= 40 ? 4 : level >= 30 ? 6 : 7;
  const head = `<${facility * 8 + severity}>1 ${time} ${host} headgate ${pid} - - `;
  return Buffer.from(head + line.trimEnd())
    .subarray(0, bytesMax)
    .toString('utf8');
}

function fieldsOf(line: string): { readonly level: number; readonly time: string } {
  try {
    // A cast: pino wrote the line.
    const { level, time } = JSON.parse(line) as { level?: number; time?: string };
    return { level: level ?? 30, time: time ?? '-' };
  } catch {
    return { level: 30, time: '-' };
  }
}

/** By UDP, whose losses nobody hears of: the log on stderr is the one that counts. */
function openSyslog({ address, port }: { readonly address: string; readonly port: number }) {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('error', () => undefined);
  socket.unref();
  const host = hostname();
  return {
    write: (line: string) => {
      socket.send(formatSyslog(line, host, process.pid), port, address, () => undefined);
    },
  };
}
