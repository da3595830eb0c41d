/** `headgate resolvers`: the name servers that ask for our names, the heaviest first. */
import { type Command, InvalidArgumentError } from 'commander';
import type { ResolverView } from '../control/index.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { formatShare, formatTable } from './face/text.ts';

interface ResolversOptions extends AskOptions {
  readonly top: number;
}

export function register(program: Command): void {
  askCommand(program, 'resolvers', 'shows the name servers that ask for our names')
    .option('--top <count>', 'the heaviest so many', countOf, 50)
    .action(async (options: ResolversOptions) => {
      const all = await ask<readonly ResolverView[]>(options, 'resolvers');
      print(options, all.slice(0, options.top), renderResolvers);
    });
}

export function renderResolvers(resolvers: readonly ResolverView[]): string {
  if (resolvers.length === 0) return 'Nobody has asked for our names yet.';
  return formatTable(
    [
      { head: 'resolver', cell: (resolver) => resolver.address },
      { head: 'queries', cell: (resolver) => String(resolver.queries), align: 'right' },
      { head: 'share', cell: (resolver) => formatShare(resolver.share, 1), align: 'right' },
      { head: 'its clients', cell: ({ clients = [] }) => clientsText(clients) },
      { head: 'come in by', cell: (resolver) => planText(resolver) },
    ],
    resolvers,
  );
}

/** As many as a line bears. */
const clientsShown = 3;

const clientsText = (clients: readonly string[]): string => {
  const more = clients.length - clientsShown;
  return clients.slice(0, clientsShown).join(', ') + (more > 0 ? ` and ${more} more` : '');
};

const planText = ({ plan = [] }: ResolverView): string =>
  plan.map(({ link, share }) => `${link} ${formatShare(share, 0)}`).join(', ');

function countOf(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('expected 1 or more');
  return count;
}
