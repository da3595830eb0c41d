/** `headgate audit`: who did what and why; `audit verify` proves that nothing was changed or taken out. */
import { type Command, InvalidArgumentError } from 'commander';
import { type AuditHead, type AuditRecord, readAudit, verifyAudit } from '../control/index.ts';
import { HeadgateError } from '../core/base/error.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { formatTable, formatTime } from './face/text.ts';

interface AuditView {
  readonly path: string;
  readonly head: AuditHead;
}

interface ListOptions extends AskOptions {
  readonly limit: number;
}

const file = '[file]';
const fileHelp = 'an audit log; the running unit’s own unless named';

export function register(program: Command): void {
  const audit = program
    .command('audit')
    .description('who did what and why: commands, approvals, reloads, announcements');
  askCommand(audit, 'list', 'the latest records, newest last', { isDefault: true })
    .argument(file, fileHelp)
    .option('-n, --limit <records>', 'at most so many', parseLimit, 50)
    .action(async (path: string | undefined, options: ListOptions) => {
      const { records } = whole(path ?? (await ownLog(options)).path);
      print(options, records.slice(-options.limit), renderRecords);
    });
  askCommand(audit, 'verify', 'whether the log is whole: no record changed, missing or added')
    .argument(file, fileHelp)
    .action(async (path: string | undefined, options: AskOptions) => {
      const own = path === undefined ? await ownLog(options) : undefined;
      const view = judge(path ?? own?.path ?? '', own?.head);
      print(
        options,
        view,
        ({ records, torn, lost, hash }) =>
          `whole: ${records} records, ${torn} cut writes (each named by the record after it), ${lost} events lost to a full disk, last hash ${hash}`,
      );
    });
}

/** Throws HeadgateError `audit_broken`. `head` is where the unit says that the log ends. */
function judge(path: string, head: AuditHead | undefined) {
  const { records, torn } = whole(path);
  const last = records.at(-1);
  // The unit may have written more since it was asked, so its end must be there, not be the last.
  const at = head && (head.n === 0 || records[head.n - 1]?.hash === head.hash);
  if (head && !at) {
    throw new HeadgateError(
      'audit_broken',
      `${path}: the running unit wrote record ${head.n}, which the file does not have: it was cut or replaced`,
    );
  }
  const lost = records.reduce((sum, record) => sum + (record.lost ?? 0), 0);
  return { ok: true, path, records: records.length, torn, lost, hash: last?.hash ?? null };
}

function whole(path: string): {
  readonly records: readonly AuditRecord[];
  readonly torn: number;
} {
  const verified = verifyAudit(readAudit(path));
  if (verified.ok) return verified.value;
  const { line, message } = verified.error;
  throw new HeadgateError('audit_broken', `${path}:${line}: the chain is broken: ${message}`);
}

const ownLog = (options: AskOptions) => ask<AuditView>(options, 'audit');

export function renderRecords(records: readonly AuditRecord[]): string {
  return formatTable(
    [
      { head: '', cell: ({ n }) => String(n), align: 'right' },
      { head: 'time', cell: ({ at }) => formatTime(Date.parse(at)) },
      { head: 'who', cell: ({ who }) => who },
      { head: 'what', cell: whatOf },
      { head: 'why', cell: ({ why }) => why ?? '' },
    ],
    records,
  );
}

function whatOf({ what, lost = 0, detail = {} }: AuditRecord): string {
  switch (what) {
    case 'command': {
      const args = JSON.stringify(detail.args ?? {});
      return `${String(detail.command)}${args === '{}' ? '' : ` ${args}`}: ${String(detail.result)}`;
    }
    case 'announce': {
      // A cast: src/daemon/face/diary.ts writes them.
      const changes = (detail.changes ?? []) as ReadonlyArray<Readonly<Record<string, string>>>;
      const told = changes
        .slice(0, 3)
        .map(
          ({ change, prefix, router, link }) =>
            `${change} ${prefix} ${router ? `to ${router}` : `by ${link}`}`,
        );
      const more = changes.length - told.length + Number(detail.more ?? 0);
      return told.join(', ') + (more > 0 ? ` and ${more} more` : '');
    }
    case 'read': {
      const commands = Object.entries(detail.commands ?? {});
      return `read: ${commands.map(([command, times]) => `${command} ${times}`).join(', ')}`;
    }
    case 'gap':
      return `${lost} events before this were not recorded: the disk refused`;
    case 'reload':
      if (detail.refused !== undefined) return `reload refused: ${String(detail.refused)}`;
      return `reload: ${[detail.changed ?? []].flat().join(', ') || 'nothing changed'}`;
    default:
      return what;
  }
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!(Number.isInteger(limit) && limit > 0)) throw new InvalidArgumentError('a whole number');
  return limit;
}
