import { connect, type Socket } from 'node:net';
import { HeadgateError } from '../core/base/error.ts';
import type { Result } from '../core/base/result.ts';
import { err, ok } from '../core/base/result.ts';
import { LineCutter } from './lines.ts';
import { type ControlError, parseResponse, protocolVersion, type Response } from './protocol.ts';
import { socketOf } from './roles.ts';

export interface ControlClient {
  /** Sends one command and waits for its answer. Throws HeadgateError when the unit goes away. */
  ask(
    command: string,
    args?: Readonly<Record<string, unknown>>,
  ): Promise<Result<unknown, ControlError>>;
  close(): void;
}

/** The longest that a unit may take to answer: a page of history is long, and a process that hangs says nothing. */
const answerMs = 30_000;

/**
 * Connects to a running unit, by the socket of the highest role that the caller may open.
 * Throws HeadgateError `no_unit` or `no_permission`, with what to do.
 */
export async function openControlClient(path: string): Promise<ControlClient> {
  const socket = await openAny(path);
  const waiting = new Map<number, (response: Response | HeadgateError) => void>();
  const cutter = new LineCutter();
  let nextId = 1;

  const abandon = (error: HeadgateError) => {
    for (const settle of waiting.values()) settle(error);
    waiting.clear();
  };
  socket.on('data', (chunk) => {
    for (const line of cutter.push(chunk)) {
      const response = line === undefined ? undefined : parseResponse(line);
      // Id 0: the server could not read a request and cannot say which; with one client it is the oldest.
      const id = response?.id === 0 ? waiting.keys().next().value : response?.id;
      if (!response || id === undefined) continue;
      waiting.get(id)?.(response);
      waiting.delete(id);
    }
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () =>
    abandon(new HeadgateError('unit_gone', 'the unit closed the connection', { retryable: true })),
  );

  return {
    ask: (command, args = {}) =>
      new Promise((resolve, reject) => {
        const id = nextId++;
        const timer = setTimeout(() => {
          waiting.delete(id);
          const what = `the unit has not answered ${command} for ${answerMs / 1000} s`;
          const todo = 'packets go on; its log may say why, and restarting it helps';
          reject(new HeadgateError('no_answer', `${what}: ${todo}`, { retryable: true }));
        }, answerMs);
        waiting.set(id, (response) => {
          clearTimeout(timer);
          if (response instanceof HeadgateError) reject(response);
          else resolve(response.ok ? ok(response.value) : err(response.error));
        });
        if (socket.destroyed) {
          abandon(
            new HeadgateError('unit_gone', 'the unit closed the connection', { retryable: true }),
          );
          return;
        }
        socket.write(`${JSON.stringify({ v: protocolVersion, id, command, args })}\n`);
      }),
    close: () => socket.destroy(),
  };
}

async function openAny(path: string): Promise<Socket> {
  try {
    return await open(path);
  } catch (error) {
    if (!(error instanceof HeadgateError) || error.code !== 'no_permission') throw error;
    for (const role of ['approve', 'read'] as const) {
      try {
        return await open(socketOf(path, role));
      } catch {
        // The first error says what to do; that there is no lesser way in adds nothing.
      }
    }
    throw error;
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        cause.code === 'EACCES'
          ? new HeadgateError(
              'no_permission',
              `no permission for ${path}: run as root or as a member of control.group, control.approve_group or control.read_group`,
              { cause },
            )
          : new HeadgateError(
              'no_unit',
              `no unit answers at ${path}: start it with headgate run, or name its socket with --socket`,
              { cause, retryable: true },
            ),
      );
    });
  });
}
