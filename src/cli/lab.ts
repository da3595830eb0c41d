/** `headgate lab`: a border in network namespaces with real routers, to try headgate without a network of one's own. */
import { writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import {
  closeLab,
  defaultPrefix,
  defaultShape,
  findLab,
  type LabShape,
  openLab,
  type Place,
  renderSettings,
} from '../lab/index.ts';
import { exitCodes, UseError } from './face/exit.ts';
import { runMainJob } from './lab/main-job.ts';
import { borderPolicy } from './lab/policy.ts';
import type { Summary } from './lab/summary.ts';

interface UpOptions {
  readonly prefix: string;
  readonly place: Place;
  readonly routers?: string;
  readonly kind: LabShape['kind'];
  readonly bridge?: boolean;
}

const prefixOption = () =>
  new Option(
    '--prefix <name>',
    'tells this lab from another; its namespaces are called NAME-…',
  ).default(defaultPrefix);
const placeOption = () =>
  new Option('--place <place>', 'where the wires sit')
    .choices(['link', 'inside', 'beside'])
    .default('link');

export function register(program: Command): void {
  const lab = program
    .command('lab')
    .description('a border in network namespaces with real routers, to try and to test');
  lab
    .command('up')
    .description('raises the lab and prints how to run a unit in it')
    .addOption(prefixOption())
    .addOption(placeOption())
    .addOption(new Option('--routers <count>', 'border routers').choices(['1', '2']))
    .addOption(
      new Option('--kind <kind>', 'what the border routers run')
        .choices(['bird', 'frr'])
        .default('bird'),
    )
    .option('--bridge', 'plain Linux bridges in place of the wires, to see the lab without a unit')
    .action(up);
  lab
    .command('down')
    .description('removes the lab, whatever state it is in')
    .addOption(prefixOption())
    .action(async ({ prefix }: { readonly prefix: string }) => closeLab(checked(prefix)));
  lab
    .command('status')
    .description('shows who hears of our blocks by which provider')
    .addOption(prefixOption())
    .option('--json', 'one JSON value on stdout')
    .action(status);
  lab
    .command('run')
    .description('the main job: downloads over a link that is too small, and headgate mending it')
    .addOption(prefixOption())
    .addOption(placeOption())
    .option(
      '--seconds <count>',
      'end by itself after so many seconds; until interrupted unless set',
    )
    .option('--json', 'one JSON value on stdout: before and after, every move, time to relief')
    .action(runJob);
}

async function up(options: UpOptions): Promise<void> {
  if (options.place !== 'link' && options.routers === '1')
    throw new UseError(
      `at place ${options.place} the links are told apart by their routers: it takes two`,
    );
  const shape: LabShape = {
    ...defaultShape(options.place),
    kind: options.kind,
    ...(options.routers === undefined ? {} : { routers: options.routers === '1' ? 1 : 2 }),
  };
  const lab = await openLab({
    shape,
    policy: borderPolicy,
    prefix: checked(options.prefix),
    wires: options.bridge ? 'bridge' : 'unit',
    isOwned: false,
  });
  const settings = `${lab.folder}/headgate.yaml`;
  writeFileSync(settings, renderSettings(lab.topology, lab.folder, 'observe'));
  if (options.bridge) await lab.waitForRoutes(30_000);
  const lines = [
    `The lab is up: namespaces ${lab.topology.nodes.map(lab.namespace).join(' ')}.`,
    options.bridge
      ? 'Plain bridges stand in for the wires; every source hears of us.'
      : `Nothing passes its wires until a unit runs: ip netns exec ${lab.namespace('unit')} scripts/headgate run --config ${settings}`,
    options.kind === 'frr'
      ? `A router's view: vtysh --vty_socket ${lab.folder}/br1 -c 'show bgp ipv4 unicast'`
      : `A router's view: birdc -s ${lab.folder}/br1.ctl show route`,
    `Remove it with: scripts/headgate lab down --prefix ${lab.prefix}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

interface RunOptions {
  readonly prefix: string;
  readonly place: Place;
  readonly seconds?: string;
  readonly json?: boolean;
}

async function runJob(options: RunOptions): Promise<void> {
  const seconds = options.seconds === undefined ? undefined : Number(options.seconds);
  if (seconds !== undefined && !(seconds >= 1 && seconds <= 86_400))
    throw new UseError('--seconds takes a number from 1 to 86400');
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  // Every time: a terminal tells the whole group, and who ends the script tells it once more.
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const isLive = process.stdout.isTTY === true && !options.json;
  const summary = await runMainJob({
    prefix: checked(options.prefix),
    place: options.place,
    ...(seconds === undefined ? {} : { seconds }),
    // The whole screen is redrawn in place.
    ...(isLive ? { draw: (picture) => process.stdout.write(`\u001b[H\u001b[2J${picture}`) } : {}),
    say: (line) => process.stderr.write(`${line}\n`),
    interrupted: interruption.signal,
  });
  process.stdout.write(options.json ? `${JSON.stringify(summary)}\n` : renderSummary(summary));
}

function renderSummary({ before, after, moves, relief_s }: Summary): string {
  const side = (name: string, { goodput_mbps, links }: Summary['before']) =>
    `${name}: receivers got ${goodput_mbps} Mbit/s; ${links.map((l) => `${l.name} ${l.interface_mbps} of ${l.capacity_mbps}`).join(', ')}`;
  return [
    side('before', before),
    side('after', after),
    `moves: ${moves.length}; from overload to relief: ${relief_s === null ? 'not reached' : `${relief_s} s`}`,
    '',
  ].join('\n');
}

async function status(options: {
  readonly prefix: string;
  readonly json?: boolean;
}): Promise<void> {
  const lab = findLab(checked(options.prefix));
  if (!lab) {
    process.stderr.write('headgate: no lab is up: raise one with `headgate lab up`\n');
    process.exitCode = exitCodes.failed;
    return;
  }
  const sources = await lab.waysIn();
  if (options.json) {
    process.stdout.write(
      `${JSON.stringify({ prefix: lab.prefix, shape: lab.topology.shape, sources })}\n`,
    );
    return;
  }
  const names = lab.topology.sources.map((s) => s.name.padEnd(6));
  process.stdout.write(`${'block'.padEnd(22)}${names.join('  ')}\n`);
  for (const { prefix } of lab.topology.blocks) {
    const cells = sources.map((view) => (view.blocks[prefix] ?? 'none').padEnd(6));
    process.stdout.write(`${prefix.padEnd(22)}${cells.join('  ')}\n`);
  }
}

function checked(prefix: string): string {
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(prefix))
    throw new UseError('--prefix takes small letters, digits and hyphens, a letter first');
  return prefix;
}
