/**
 * The control socket's protocol: JSON lines over a Unix stream socket. One request per line, one response per
 * line with the same `id`, in any order. A client names the version it speaks; the server refuses and names
 * any other than its own.
 */
import { err, ok, type Result } from '../core/base/result.ts';

export const protocolVersion = 1;
/** A longer line is refused: no request needs it. Responses are not limited. */
export const requestBytesMax = 65_536;

export interface Request {
  readonly v: number;
  readonly id: number;
  readonly command: string;
  readonly args: Readonly<Record<string, unknown>>;
}

export type Response =
  | { readonly v: number; readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly v: number; readonly id: number; readonly ok: false; readonly error: ControlError };

/** `code` is for scripts, `message` is the one line that a person sees. */
export interface ControlError {
  readonly code:
    | 'bad_request'
    | 'bad_version'
    | 'unknown_command'
    | 'bad_argument'
    | 'refused'
    | 'not_found'
    | 'failed'
    /** The unit cannot answer anything yet. */
    | 'starting';
  readonly message: string;
}

/** Reads one line of a client. */
export function parseRequest(line: string): Result<Request, ControlError> {
  const bad = (message: string) => err<ControlError>({ code: 'bad_request', message });
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return bad('expected one JSON object per line');
  }
  if (!isRecord(value)) return bad('expected a JSON object');
  const { v, id, command, args = {} } = value;
  if (v !== protocolVersion) {
    return err({
      code: 'bad_version',
      message: `this unit speaks version ${protocolVersion} of the control protocol, not ${String(v)}; use its own headgate command`,
    });
  }
  if (typeof id !== 'number' || typeof command !== 'string' || !isRecord(args)) {
    return bad('expected { v, id: number, command: text, args: object }');
  }
  return ok({ v, id, command, args });
}

export function formatResponse(id: number, result: Result<unknown, ControlError>): string {
  const response: Response = result.ok
    ? { v: protocolVersion, id, ok: true, value: result.value ?? null }
    : { v: protocolVersion, id, ok: false, error: result.error };
  return `${JSON.stringify(response)}\n`;
}

/** Reads one line of a server; undefined when it is none of this protocol's. */
export function parseResponse(line: string): Response | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (!isRecord(value) || typeof value.id !== 'number' || typeof value.ok !== 'boolean')
      return undefined;
    // A cast: the server is our own, and the fields that tell the two forms apart were checked.
    return value as unknown as Response;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
