/** `headgate replay`: capture files through the same pipeline as a wire, with the capture's own clock. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { formatPrefix, parsePrefix } from '../core/base/prefix.ts';
import { linkId, type PrefixText } from '../core/base/units.ts';
import type { EngineTables, LinkRule } from '../engine/index.ts';
import { type Replay, startReplay } from '../engine/replay.ts';
import { exitCodes, UseError } from './face/exit.ts';
import { type ReplayReport, toReport } from './replay/report.ts';

interface Options {
  readonly json?: boolean;
  readonly frames?: boolean;
  readonly block: readonly string[];
  readonly destination: readonly string[];
  readonly settings?: string;
  readonly write?: string;
}

const collect = (value: string, before: readonly string[]) => [...before, value];

export function register(program: Command): void {
  program
    .command('replay')
    .description('runs capture files through the pipeline and says what it saw')
    .argument('<file...>', 'pcap or pcapng, also gzip')
    .option('--json', 'one JSON value on stdout')
    .option('--frames', 'frame numbers of retransmissions')
    .option('--block <prefix>', 'counts this prefix as ours (repeatable)', collect, [])
    .option('--settings <file>', 'takes blocks, links and marks from settings')
    .option(
      '--destination <prefix=link>',
      'sends outbound sessions to this prefix by a link of the settings (repeatable)',
      collect,
      [],
    )
    .option('--write <out.pcap>', 'writes the packets as they would leave (one input file)')
    .action(replay);
}

async function replay(files: readonly string[], options: Options): Promise<void> {
  if (options.write !== undefined && files.length !== 1)
    throw new UseError('--write takes one input file');
  const tables = await readTables(options);
  const reports: ReplayReport[] = [];
  for (const file of files) {
    const started = startReplay({
      path: file,
      ...(tables && { tables }),
      ...(options.write !== undefined && { writePath: options.write }),
      withFrames: options.frames === true,
    });
    const stopProgress = await showProgress(file, started);
    const result = await started.result;
    stopProgress();
    const report = toReport(file, result, { withFrames: options.frames === true });
    reports.push(report);
    if (options.json !== true) {
      const { renderReport } = await import('./replay/table.ts');
      process.stdout.write(renderReport(report));
    }
    if (result.problem !== '') {
      process.stderr.write(`headgate: ${file}: ${result.problem}\n`);
      process.exitCode = exitCodes.failed;
    }
  }
  if (options.json === true) process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`);
}

async function readTables(options: Options): Promise<EngineTables | undefined> {
  const blocks = options.block.map(parseBlock);
  const fromSettings =
    options.settings === undefined ? undefined : await readSettings(options.settings);
  const destinations = options.destination.map((text) => {
    const [prefix = '', link = ''] = text.split('=');
    if (!fromSettings?.links.some((rule) => rule.link === link))
      throw new UseError(
        `--destination ${text}: the settings have no link ${link} that marks tell apart`,
      );
    return { prefix: parseBlock(prefix), link: linkId(link) };
  });
  if (!fromSettings && blocks.length === 0) return undefined;
  return {
    blocks: [...new Set([...blocks, ...(fromSettings?.blocks ?? [])])],
    links: fromSettings?.links ?? [],
    destinations,
  };
}

function parseBlock(text: string): PrefixText {
  const parsed = parsePrefix(text);
  if (!parsed.ok)
    throw new UseError(`${text} is not a prefix such as 198.51.100.0/24 or 2001:db8::/48`);
  return formatPrefix(parsed.value);
}

async function readSettings(file: string): Promise<Pick<EngineTables, 'blocks' | 'links'>> {
  // The schema takes longer to load than a small capture to read: only who asks for it waits.
  const { formatSettingsError, loadSettings } = await import('../core/settings/index.ts');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    throw new UseError(`${file} cannot be read: name a settings file`);
  }
  const settings = loadSettings(text, file);
  if (!settings.ok) {
    const [first] = settings.error;
    throw new UseError(first ? formatSettingsError(first) : `${file} is not valid`);
  }
  const links: LinkRule[] = [];
  for (const { name, attribute, mark } of settings.value.links) {
    // A capture has no wires: a link that only its wire tells apart cannot be known.
    if (!attribute || (attribute.mac ?? attribute.vlan ?? attribute.dscp) === undefined) continue;
    links.push({ link: name, attribute: { ...attribute, wire: 'replay' }, ...(mark && { mark }) });
  }
  return { blocks: settings.value.blocks.map(({ prefix }) => prefix), links };
}

/** A bar on a terminal while a file takes more than a moment; gives the function that takes it away. */
async function showProgress(file: string, { progress }: Replay): Promise<() => void> {
  if (!process.stderr.isTTY) return () => {};
  const { SingleBar } = await import('cli-progress');
  const bar = new SingleBar({
    format: `${file} {bar} {percentage}% {eta_formatted} left`,
    stream: process.stderr,
    clearOnComplete: true,
    hideCursor: true,
  });
  let isShown = false;
  const timer = setInterval(() => {
    if (!isShown) bar.start(1000, 0);
    isShown = true;
    bar.update(Math.round(progress() * 1000));
  }, 250);
  return () => {
    clearInterval(timer);
    if (isShown) bar.stop();
  };
}
