/** `headgate status`: in three lines whether all is well, and if not, what and since when. */
import type { Command } from 'commander';
import type { ClusterView, StatusView, WireView } from '../control/index.ts';
import { type AskOptions, ask, askCommand, print } from './face/ask.ts';
import { formatDuration, formatTime } from './face/text.ts';

interface Options extends AskOptions {
  readonly all?: boolean;
}

export function register(program: Command): void {
  askCommand(
    program,
    'status',
    'in three lines whether all is well, and if not, what and since when',
  )
    .option('-a, --all', 'everything that is not as it should be, one line each')
    .action(async (options: Options) => {
      const view = await ask<StatusView>(options, 'status');
      print(options, view, options.all ? renderAll : renderStatus);
    });
}

export function renderStatus(view: StatusView): string {
  const { plan, wires, routers, reasons, cluster } = view;
  const up = routers.filter((router) => router.phase === 'established').length;
  const forwarding = wires.filter((wire) => wire.state === 'forwarding').length;
  const state = reasons.length === 0 ? 'all is well' : 'ATTENTION';
  return [
    `${state}: mode ${view.mode}, running for ${formatDuration(view.at - view.started)}, ${view.cycles} cycles`,
    `wires ${forwarding} of ${wires.length} forwarding, routers ${up} of ${routers.length} with a session, plan ${plan.generation}: ${plan.steered} of ${plan.blocks} blocks steered${view.is_withdrawn ? ', all withdrawn' : ''}`,
    ...(cluster ? [clusterLine(cluster)] : []),
    lastLine(view),
  ].join('\n');
}

/** Of several units: who this is, who leads, and how many are heard. */
function clusterLine(view: ClusterView): string {
  const { unit, leader, standing, live, frozen, gone, outbound_by: by } = view;
  const leads = leader === null ? 'nobody leads' : leader === unit ? 'leads' : `led by ${leader}`;
  const all = live.length + frozen.length + gone.length;
  const does = standing === 'led' ? '' : `, ${standing}`;
  const outbound =
    by === undefined ? '' : `, outbound ${by === null ? 'as it is' : `decided by ${by}`}`;
  return `unit ${unit}: ${leads}${does}${outbound}, ${live.length} of ${all} units heard; headgate units shows them`;
}

/** Where the spin bit is followed: low quantiles, and of how many sessions they are. */
function quicLine({ name, quic }: WireView): readonly string[] {
  if (!quic) return [];
  const { sessions, spinning, rtt_us: rtt } = quic;
  const ms = (us: number | null) => `${((us ?? 0) / 1000).toFixed(1)} ms`;
  const times =
    rtt.samples === 0 ? 'none yet' : `p5 ${ms(rtt.p5)}, p25 ${ms(rtt.p25)} to either end`;
  return [
    `wire ${name}: QUIC round trips ${times}, by the spin bit of ${spinning} of ${sessions} sessions; nothing is decided by them`,
  ];
}

/** What a person should look at first. */
function lastLine({ at, reasons, proposal }: StatusView): string {
  const [first, ...more] = reasons;
  if (first) {
    const rest = more.length === 0 ? '' : `; and ${more.length} more: headgate status --all`;
    return `${first.what} (since ${formatTime(first.since)}, for ${formatDuration(at - first.since)})${rest}`;
  }
  if (proposal) {
    return `proposal ${proposal.id} waits: ${proposal.moves} moves; headgate plan shows it, headgate approve ${proposal.id} carries it out`;
  }
  return 'nothing waits for you';
}

function renderAll(view: StatusView): string {
  const { at, reasons, proposal } = view;
  const lines = renderStatus(view).split('\n');
  return [
    ...lines.slice(0, -1),
    ...view.wires.flatMap(quicLine),
    ...(proposal ? [lastLine({ ...view, reasons: [] })] : []),
    ...reasons.map(
      ({ what, since }) =>
        `! ${what} (since ${formatTime(since)}, for ${formatDuration(at - since)})`,
    ),
  ].join('\n');
}
