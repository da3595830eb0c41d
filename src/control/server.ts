import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { HeadgateError } from '../core/base/error.ts';
import type { Result } from '../core/base/result.ts';
import { err } from '../core/base/result.ts';
import { LineCutter } from './lines.ts';
import { type ControlError, formatResponse, parseRequest, requestBytesMax } from './protocol.ts';
import { mayDo, type Role, roleNeeded, socketOf } from './roles.ts';

/** Answers one command. What it throws is answered as `failed` and goes to `onFailure`. */
export type Answer = (
  args: Readonly<Record<string, unknown>>,
) => Result<unknown, ControlError> | Promise<Result<unknown, ControlError>>;

/** The process that asks, as the kernel vouches. */
export interface Caller {
  readonly role: Role;
  readonly uid?: number;
  readonly pid?: number;
}

/** A command that changes something, or would have if it were allowed. */
export interface Act {
  readonly command: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly caller: Caller;
  readonly result: 'done' | ControlError['code'];
}

export interface ControlServerOptions {
  /** Path of the socket of role `control`; its folder is made when absent. Others lie beside it (roles.ts). */
  readonly socket: string;
  /** Group id that may use that socket beside its owner. */
  readonly gid?: number;
  /** Groups that may do less, each with a socket of its own. */
  readonly lesser?: ReadonlyArray<{
    readonly role: Exclude<Role, 'control'>;
    readonly gid: number;
  }>;
  /** Who is at the other end of a connection's descriptor; unknown unless given. */
  readonly peerOf?: (fd: number) => { readonly uid: number; readonly pid: number } | undefined;
  /** Told of every command that needs more than `read`, and of every refusal by role, after it was answered. */
  readonly onAct?: (act: Act) => void;
  /** Told of every other command. */
  readonly onRead?: (read: Pick<Act, 'command' | 'caller'>) => void;
  /** Empty until the unit can answer. */
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

/** Opens the sockets. Throws HeadgateError `socket_in_use` when another unit answers there. */
export async function openControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const counts = new Map<string, number>();
  const entries: ReadonlyArray<Omit<Door, 'path'>> = [
    { role: 'control', gid: options.gid },
    ...(options.lesser ?? []),
  ];
  const wanted = entries.map((entry) => ({ ...entry, path: socketOf(options.socket, entry.role) }));
  const doors: Array<() => Promise<void>> = [];
  const closeDoors = async () => {
    for (const close of doors) await close();
  };
  try {
    for (const door of wanted) doors.push(await openDoor(options, door, counts));
  } catch (error) {
    await closeDoors();
    throw error;
  }
  let closing: Promise<void> | undefined;
  return {
    counts,
    close: () => {
      closing ??= closeDoors();
      return closing;
    },
  };
}

/** One socket: whoever can open it has its role. */
interface Door {
  readonly role: Role;
  readonly gid: number | undefined;
  readonly path: string;
}

async function openDoor(
  options: ControlServerOptions,
  { role, gid, path }: Door,
  counts: Map<string, number>,
): Promise<() => Promise<void>> {
  const sockets = new Set<Socket>();
  const count = (key: string) => counts.set(key, (counts.get(key) ?? 0) + 1);

  const answer = async (socket: Socket, caller: Caller, line: string): Promise<void> => {
    const request = parseRequest(line);
    if (!request.ok) {
      count(request.error.code);
      socket.write(formatResponse(0, request));
      return;
    }
    const { id, command, args } = request.value;
    const isKnown = options.answers.has(command);
    const isAllowed = mayDo(role, command);
    const result =
      isKnown && !isAllowed ? notAllowed(command, role) : await answerOne(options, command, args);
    const outcome = result.ok ? 'done' : result.error.code;
    count(`${isKnown ? command : 'unknown_command'}:${outcome}`);
    if (isKnown && (roleNeeded(command) !== 'read' || !isAllowed)) {
      options.onAct?.({ command, args, caller, result: outcome });
    } else if (isKnown) options.onRead?.({ command, caller });
    if (!socket.destroyed) socket.write(formatResponse(id, result));
  };

  const server = createServer((socket) => {
    sockets.add(socket);
    const caller: Caller = { role, ...peerOf(options, socket) };
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
        if (line !== '') void answer(socket, caller, line);
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
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  try {
    chmodSync(path, gid === undefined ? 0o600 : 0o660);
    if (gid !== undefined) options.chown(path, gid);
  } catch (error) {
    await close();
    throw error;
  }
  return close;
}

function notAllowed(command: string, role: Role): Result<never, ControlError> {
  const message = `${command} needs the role ${roleNeeded(command)}, and this socket is for ${role}`;
  return err({ code: 'refused', message });
}

function peerOf(options: ControlServerOptions, socket: Socket) {
  // A cast: Node keeps the descriptor of a connection to itself, and has no other way to ask who is there.
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } };
  return handle?.fd === undefined ? undefined : options.peerOf?.(handle.fd);
}

async function answerOne(
  options: ControlServerOptions,
  command: string,
  args: Readonly<Record<string, unknown>>,
): Promise<Result<unknown, ControlError>> {
  const { answers } = options;
  const find = answers.get(command);
  if (answers.size === 0) {
    return err({ code: 'starting', message: 'the unit is starting: ask again in a moment' });
  }
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
