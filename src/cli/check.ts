/** `headgate check FILE`: whether settings are right, and what a unit would do with them. */
import type { Command } from 'commander';
import { HeadgateError } from '../core/base/error.ts';
import { formatSettingsError, type Settings } from '../core/settings/index.ts';
import { cycleTimesOf, engineOptionsOf, halvesOf, policyOf, wiresOf } from '../daemon/configure.ts';
import { describeNames } from '../daemon/names.ts';
import {
  adviseWire,
  capacityOf,
  kernelMemoryOf,
  memoryOf,
  sharedMemoryOf,
} from '../engine/index.ts';
import { print } from './face/ask.ts';
import { exitCodes } from './face/exit.ts';
import { defaultSettingsFile, ownSettings, readSettings } from './face/settings-file.ts';
import { formatDuration, formatRate, formatShare } from './face/text.ts';

export function register(program: Command): void {
  program
    .command('check')
    .argument('[file]', 'settings', defaultSettingsFile)
    .description('checks settings and says what a unit would do with them')
    .option('--json', 'one JSON value on stdout, nothing else')
    .action((file: string, options: { readonly json?: boolean }) => {
      const loaded = readSettings(file);
      if (loaded.ok) {
        // Throws where a file that the settings name is wrong: its zones, with line and column.
        const consequences = [...describe(loaded.value), ...describeNames(loaded.value)];
        const machine = lookAt(loaded.value);
        print(options, { ok: true, errors: [], consequences, machine }, () =>
          [...consequences, ...machine.map((line) => `on this machine: ${line}`)].join('\n'),
        );
        return;
      }
      process.exitCode = exitCodes.failed;
      if (options.json)
        print(
          options,
          { ok: false, errors: loaded.error, consequences: [], machine: [] },
          () => '',
        );
      else
        for (const error of loaded.error) process.stderr.write(`${formatSettingsError(error)}\n`);
    });
}

const doings = {
  observe: 'measures and plans; announces nothing',
  advise: 'measures and plans; announces only what headgate approve carries out',
  control: 'measures, plans and announces by itself, within the rails',
} as const;

/** In sentences, what the settings lead to. */
export function describe(settings: Settings): readonly string[] {
  const { mode, links, wires, routers, blocks, control, metrics, history } = settings;
  const { intervalMs, averageMs } = cycleTimesOf(settings);
  const { rails, rungNames = [] } = policyOf(settings);
  const speaking = routers.filter((router) => router.bgp !== undefined);
  const families = (['.', ':'] as const).map(
    (mark) => blocks.filter((b) => b.prefix.includes(mark)).length,
  );
  return [
    `mode ${mode}: ${doings[mode]}`,
    ...wires.map(
      (wire) =>
        `wire ${wire.name}${at(wire)}: forwards between ${wire.inside} and ${wire.outside ?? 'nothing'} (place ${wire.place}, driver ${wire.driver}${wire.workers > 1 ? `, ${wire.workers} workers` : ''})`,
    ),
    ...(wires.length === 0 ? ['no wire: no packet passes this unit'] : []),
    ...links.map((link) => {
      const by = link.attribute
        ? `counted on wire ${link.attribute.wire}${attributeText(link.attribute)}`
        : 'not counted on a wire';
      const price = link.price ? `, price ${link.price.model}` : '';
      return `link ${link.name}: AS ${link.asn}, ${formatRate(link.capacity)}bit/s, ${by}${price}`;
    }),
    ...speaking.map((router) => {
      const asn = router.asn ?? settings.asn;
      return `router ${router.name}${at(router)}: ${asn === settings.asn ? 'iBGP' : 'eBGP'} session with ${router.address}, AS ${asn}`;
    }),
    ...(speaking.length === 0 ? ['no BGP session: nothing can be announced'] : []),
    ...describeUnits(settings),
    `blocks: ${families[0] ?? 0} of IPv4, ${families[1] ?? 0} of IPv6, steered by ${rungNames.slice(1).join(', then ') || 'nothing'} on the links to leave`,
    `cycle: every ${formatDuration(intervalMs)} over averages of ${formatDuration(averageMs)}`,
    `rails: a block rests ${formatDuration(rails.dwellMs)} after a change, at most ${rails.movesPerHour} moves per ${formatDuration(rails.hourMs)} and ${formatShare(rails.sharePerRound, 0)} of the traffic at once`,
    `control socket ${control.socket}${control.group === undefined ? '' : `, open to group ${control.group}`}`,
    metrics.listen
      ? `metrics at http://${metrics.listen.address}:${metrics.listen.port}/metrics`
      : 'metrics are not served',
    `history in ${history.path} for ${formatDuration(history.keep)}`,
  ];
}

/** Whose it is, of several units. */
const at = ({ unit }: { readonly unit?: readonly string[] }): string =>
  unit === undefined ? '' : ` at ${unit.join(' and ')}`;

function describeUnits({ cluster, regroup }: Settings): readonly string[] {
  if (!cluster) return [];
  const { units, servers, lease, silent, hold } = cluster;
  return [
    `units ${units.map(({ name }) => name).join(', ')} decide as one, by NATS at ${servers.join(', ')}: another decides ${formatDuration(2 * lease)} after the one that does is lost, at the latest`,
    `a unit that hears no leader keeps the last plan for ${formatDuration(silent + hold)}, then returns to plain BGP; the others leave its links out after ${formatDuration(2 * silent + hold)}`,
    ...(regroup ? ['regroup: does nothing, blocks are not divided anew among several units'] : []),
  ];
}

/** What the wires find here. Settings may be checked anywhere: nothing of it is an error. */
function lookAt(whole: Settings): readonly string[] {
  try {
    const settings = ownSettings(whole);
    const capacity = capacityOf({ ...engineOptionsOf(settings), ...halvesOf(whole) });
    const { sessionSlots, blocks, destinations, followsSpin } = capacity;
    const alsoFor = followsSpin ? ', and QUIC by its spin bit' : '';
    const wires = wiresOf(settings);
    const inKernel = Math.ceil(kernelMemoryOf(capacity) / 2 ** 20);
    const shared = Math.ceil(sharedMemoryOf(capacity) / 2 ** 20);
    const beside =
      wires.length > 0 ? [`beside the wires: ${shared} MiB for round trips by block, of late`] : [];
    const each = wires.flatMap((wire) => {
      const { driver, reason, findings } = adviseWire(wire);
      const mebibytes = Math.ceil(memoryOf(capacity, wire.workers) / 2 ** 20);
      return [
        `wire ${wire.name}: driver ${driver} (${reason})`,
        `wire ${wire.name}: ${mebibytes} MiB taken at start, and no more later: room for ${sessionSlots} sessions, ${blocks} blocks, ${destinations} destinations${alsoFor}`,
        ...(driver === 'mirror'
          ? []
          : [
              `wire ${wire.name}: once installed, ${inKernel} MiB of the kernel's for its counts, and twice what the published tables take`,
            ]),
        ...findings.map((finding) => `wire ${wire.name}: ${finding}`),
      ];
    });
    return [...each, ...beside];
  } catch (error) {
    // Without the native module, or without the right to look.
    if (error instanceof HeadgateError) return [error.message];
    throw error;
  }
}

function attributeText(attribute: NonNullable<Settings['links'][number]['attribute']>): string {
  if (attribute.mac !== undefined) return ` by MAC ${attribute.mac}`;
  if (attribute.vlan !== undefined) return ` by VLAN ${attribute.vlan}`;
  return attribute.dscp === undefined ? '' : ` by DSCP ${attribute.dscp}`;
}
