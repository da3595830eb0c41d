/** What a unit asks of the machine that it runs on: secrets, users and groups. */
import { execFileSync } from 'node:child_process';
import { chownSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HeadgateError } from '../../core/base/error.ts';

/**
 * The first line of a file. A name without a slash is that of a systemd credential (systemd.exec(5), LoadCredential=).
 * Throws HeadgateError `no_secret`; the message has the file's name, never its content.
 */
export function readSecret(name: string): string {
  const { CREDENTIALS_DIRECTORY: credentials } = process.env;
  if (!name.includes('/') && credentials === undefined) {
    throw new HeadgateError(
      'no_secret',
      `there is no credential "${name}": add LoadCredential=${name}:/path to the unit, or name a path`,
    );
  }
  const path = name.includes('/') ? name : join(credentials ?? '', name);
  try {
    return readFileSync(path, 'utf8').split('\n')[0]?.trim() ?? '';
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HeadgateError('no_secret', `cannot read the key file ${path}: ${reason}`, { cause });
  }
}

/** Gives a socket to a group. Throws HeadgateError `no_group`: only a member may without being root. */
export function giveToGroup(path: string, gid: number): void {
  try {
    chownSync(path, process.getuid?.() ?? 0, gid);
  } catch (cause) {
    throw new HeadgateError(
      'no_group',
      `the unit's user may not give ${path} to group ${gid}: make it a member (SupplementaryGroups= in the service)`,
      { cause },
    );
  }
}

/** Number of a group. Throws HeadgateError `no_group`. */
export function groupId(name: string): number {
  try {
    const [, , id] = execFileSync('getent', ['group', name], { encoding: 'utf8' }).split(':');
    return Number(id);
  } catch (cause) {
    throw new HeadgateError(
      'no_group',
      `there is no group "${name}"; create it or change control.group, approve_group or read_group`,
      { cause },
    );
  }
}

/** Name of a user of this machine, else its number. */
export function userName(uid: number): string {
  try {
    const entry = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .find((fields) => fields[2] === String(uid));
    return entry?.[0] ?? String(uid);
  } catch {
    return String(uid);
  }
}

/** Memory of this process, and the least of what its control groups and the machine let it have. Bytes. */
export function memory(): { readonly used: number; readonly limit: number } | undefined {
  const used = process.memoryUsage.rss();
  const free =
    Number(/^MemAvailable:\s+(\d+) kB/m.exec(read('/proc/meminfo'))?.[1] ?? Number.NaN) * 1024;
  const limits = [...groupLimits(), used + free].filter((limit) => limit > 0);
  return limits.length === 0 ? undefined : { used, limit: Math.min(...limits) };
}

/** Of a control group of either version; "max", and what is larger than any machine, is no limit. */
function groupLimits(): readonly number[] {
  return read('/proc/self/cgroup')
    .split('\n')
    .flatMap((line) => {
      const [, controllers, path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      if (controllers === '') return [Number(read(`/sys/fs/cgroup${path}/memory.max`))];
      if (controllers !== 'memory') return [];
      return [Number(read(`/sys/fs/cgroup/memory${path}/memory.limit_in_bytes`))];
    })
    .filter((limit) => limit > 0 && limit < 2 ** 60);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
