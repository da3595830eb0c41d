/** What a unit that root starts by hand gives up: everything but what the service has. */
import { spawn } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { HeadgateError } from '../../core/base/error.ts';
import type { Settings } from '../../core/settings/index.ts';

/** As `headgate.service` has them: raw sockets, TCP MD5 and tables of wires need them for as long as the unit lives. */
const capabilities = ['net_raw', 'net_admin', 'bpf', 'net_bind_service', 'ipc_lock'];

/** The package makes this user. */
const ownUser = 'headgate';

interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * The user that the unit is to run as: the one that was asked for, else the package's own; undefined where nothing is to
 * be given up: this process is not root's, or root was asked for, or there is no such user here.
 * Throws HeadgateError `no_user`.
 */
export function userToBe(asked: string | undefined): User | undefined {
  if (process.getuid?.() !== 0 || asked === 'root') return undefined;
  const name = asked ?? ownUser;
  const entry = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[0] === name);
  if (entry) return { name, uid: Number(entry[2]), gid: Number(entry[3]) };
  if (asked === undefined) return undefined;
  throw new HeadgateError('no_user', `there is no user "${name}"; name another with --user`);
}

/** Makes the folders that the service manager would have made, for that user. One that is there stays as it is. */
export function makeFolders({ control, history }: Settings, { uid, gid }: User): void {
  for (const folder of [dirname(control.socket), dirname(history.path)]) {
    if (existsSync(folder)) continue;
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    chownSync(folder, uid, gid);
  }
}

/**
 * Runs this command line again as that user, with no right beyond the capabilities and no way to get one back, and
 * hands it the signals that this process gets. Gives its exit code. Throws HeadgateError `no_setpriv`.
 */
export async function runAs({ uid, gid }: User): Promise<number> {
  const kept = capabilities.map((name) => `+${name}`).join(',');
  const child = spawn(
    'setpriv',
    [
      ...[`--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--no-new-privs'],
      ...[`--bounding-set=-all,${kept}`, `--inh-caps=-all,${kept}`, `--ambient-caps=-all,${kept}`],
      ...['--pdeathsig=TERM', process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    ],
    { stdio: 'inherit' },
  );
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => child.kill(signal));
  }
  return new Promise((resolve, reject) => {
    child.on('error', (cause) =>
      reject(
        new HeadgateError('no_setpriv', `cannot give up root's rights: ${cause.message}`, {
          cause,
        }),
      ),
    );
    child.on('close', (code) => resolve(code ?? 1));
  });
}
