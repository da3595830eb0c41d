import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { HeadgateError } from '../core/base/error.ts';
import type { Result } from '../core/base/result.ts';
import { err } from '../core/base/result.ts';
import { LineCutter } from './lines.ts';
import { type ControlError, formatResponse, parseRequest, requestBytesMax } from './protocol.ts';

/** Answers one command. What it throws is answered as `failed` and goes to `onFailure`. */
export type Answer = (
  args: Readonly<Record<string, unknown>>,
) => Result<unknown, ControlError> | Promise<Result<unknown, ControlError>>;

export interface ControlServerOptions {
  /** Path of the socket; its folder is made when absent. */
  readonly socket: string;
  /** Group id that may use the socket beside its owner. */
  readonly gid?: number;
  readonly answers: ReadonlyMap<string, Answer>;
  /** An answer threw: an error of ours or of the machine, for the log. */
  readonly onFailure: (command: string, error: unknown) => void;
  /** Gives the socket to a group; node's chown unless a test has no right to. */
  readonly chown: (path: string, gid: number) => void;
}

export interface ControlServer {
  /** Requests answered, by command and whether it was done; unreadable ones under `bad_request`. */
  readonly counts: ReadonlyMap<string, number>;
  /** Ends connections and removes the socket; twice is harmless. */
  close(): Promise<void>;
}

/** Opens the socket. Throws HeadgateError `socket_in_use` when another unit answers there. */
export async function openControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { socket: path, answers } = options;
  const counts = new Map<string, number>();
  const sockets = new Set<Socket>();
  const count = (key: string) => counts.set(key, (counts.get(key) ?? 0) + 1);

  const answer = async (socket: Socket, line: string): Promise<void> => {
    const request = parseRequest(line);
    if (!request.ok) {
      count(request.error.code);
      socket.write(formatResponse(0, request));
      return;
    }
    const { id, command, args } = request.value;
    const result = await answerOne(options, answers, command, args);
    count(
      `${answers.has(command) ? command : 'unknown_command'}:${result.ok ? 'done' : result.error.code}`,
    );
    if (!socket.destroyed) socket.write(formatResponse(id, result));
  };

  const server = createServer((socket) => {
    sockets.add(socket);
    const cutter = new LineCutter(requestBytesMax);
    // A client that goes away in the middle is its own business.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      for (const line of cutter.push(chunk)) {
        if (line === undefined) {
          count('too_long');
          socket.destroy();
          return;
        }
        if (line !== '') void answer(socket, line);
      }
    });
  });

  mkdirSync(dirname(path), { recursive: true });
  await clearStale(path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new HeadgateError(
          'socket_failed',
          `cannot open the control socket ${path}: ${cause.message}`,
          { cause },
        ),
      ),
    );
    server.listen(path, resolve);
  });
  chmodSync(path, options.gid === undefined ? 0o600 : 0o660);
  if (options.gid !== undefined) options.chown(path, options.gid);

  let closing: Promise<void> | undefined;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return {
    counts,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

async function answerOne(
  options: ControlServerOptions,
  answers: ReadonlyMap<string, Answer>,
  command: string,
  args: Readonly<Record<string, unknown>>,
): Promise<Result<unknown, ControlError>> {
  const find = answers.get(command);
  if (!find) {
    const known = [...answers.keys()].sort().join(', ');
    return err({
      code: 'unknown_command',
      message: `unknown command "${command}"; known are ${known}`,
    });
  }
  try {
    return await find(args);
  } catch (error) {
    options.onFailure(command, error);
    return err({ code: 'failed', message: error instanceof Error ? error.message : String(error) });
  }
}

/** A socket that nobody answers is a crash's leftover and goes; one that is answered stays. */
async function clearStale(path: string): Promise<void> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isSocket()) {
    throw new HeadgateError(
      'socket_failed',
      `${path} exists and is no socket; choose another control.socket`,
    );
  }
  const isAnswered = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
  if (isAnswered) {
    throw new HeadgateError(
      'socket_in_use',
      `another unit answers at ${path}; stop it or choose another control.socket`,
    );
  }
  rmSync(path);
}
