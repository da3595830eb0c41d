/** `headgate probe TARGET`: asks a host over each link and shows the answers side by side. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { HeadgateError } from '../core/base/error.ts';
import { type Address, parseAddress } from '../core/base/prefix.ts';
import {
  createProbeEngine,
  type Method,
  type ProbeEngine,
  type ProbeLink,
  type ProbeOutcome,
  type ProbeTarget,
  plainLink,
  probeLinksOf,
  summarise,
  usualPorts,
} from '../probe/index.ts';
import { exitCodes, UseError } from './face/exit.ts';
import { defaultSettingsFile, requireSettings } from './face/settings-file.ts';
import { formatRtt, formatShare, formatTable } from './face/text.ts';

interface ProbeOptions {
  readonly config: string;
  readonly allLinks?: boolean;
  readonly link?: string;
  readonly source?: string;
  readonly method: Method;
  readonly port?: string;
  readonly count: string;
  readonly json?: boolean;
}

/** One row of the answer: names and units as DESIGN.md section 9 has them. */
interface ProbeView {
  readonly link: string;
  readonly sent: number;
  readonly lost: number;
  readonly loss_ratio: number;
  readonly loss_low: number;
  readonly loss_high: number;
  readonly rtt_us: number | undefined;
  readonly rtt_us_low: number | undefined;
  readonly rtt_us_high: number | undefined;
  readonly jitter_us: number | undefined;
  /** Why nothing was sent, or what else was said than an answer. */
  readonly said: string | undefined;
}

const timeoutMs = 2000;
/** Ten a second at most: the answer should come soon, and nobody should mind. */
const paceMs = 100;

export function register(program: Command): void {
  program
    .command('probe <target>')
    .description('asks a host over each link and shows loss and delay side by side')
    .option('-c, --config <file>', 'settings that name the links', defaultSettingsFile)
    .option('--all-links', 'over every link that has a source (the default)')
    .option('--link <name>', 'over this link alone')
    .option('--source <address>', 'with this address, without any settings')
    .addOption(
      new Option('--method <method>', 'what to ask with')
        .choices(['icmp', 'tcp', 'udp'])
        .default('icmp'),
    )
    .option('--port <number>', 'port for tcp (443) and udp (53, a DNS query)')
    .option('--count <number>', 'probes over each link', '10')
    .option('--json', 'one JSON value on stdout, nothing else')
    .action(async (text: string, options: ProbeOptions) => {
      const target = parseTarget(text, options);
      const count = parseNumber('--count', options.count, 1000);
      const links = chooseLinks(options);
      const engine = createProbeEngine();
      try {
        const views = await Promise.all(links.map((link) => ask(engine, link, target, count)));
        const output = options.json ? JSON.stringify(views, null, 2) : render(views);
        process.stdout.write(`${output}\n`);
        if (views.every((view) => view.lost === view.sent)) process.exitCode = exitCodes.failed;
      } finally {
        engine.close();
      }
    });
}

function parseTarget(text: string, { method, port }: ProbeOptions): ProbeTarget {
  const address = toAddress(text);
  if (!address) throw new UseError(`"${text}" is no IPv4 or IPv6 address`);
  const usual = usualPorts[method];
  return {
    address,
    method,
    port: port === undefined ? usual : parseNumber('--port', port, 65_535),
  };
}

function chooseLinks(options: ProbeOptions): readonly ProbeLink[] {
  if (options.source !== undefined) {
    const source = toAddress(options.source);
    if (!source) throw new UseError(`"${options.source}" is no IPv4 or IPv6 address`);
    return [plainLink(options.source, [source])];
  }
  const links = probeLinksOf(requireSettings(options.config));
  const chosen = links.filter(({ link }) => options.link === undefined || link === options.link);
  if (chosen.length > 0) return chosen;
  throw new HeadgateError(
    'no_link',
    options.link === undefined
      ? `no link in ${options.config} has a "source" that probes could leave with`
      : `no link "${options.link}" with a "source" in ${options.config}`,
  );
}

async function ask(
  engine: ProbeEngine,
  link: ProbeLink,
  target: ProbeTarget,
  count: number,
): Promise<ProbeView> {
  const sending: Promise<ProbeOutcome>[] = [];
  for (let i = 0; i < count; i++) {
    if (i > 0) await new Promise((resolve) => setTimeout(resolve, paceMs));
    sending.push(engine.probe(link, target, timeoutMs));
  }
  const outcomes = await Promise.all(sending);
  const said = outcomes.find((outcome) => outcome.kind !== 'reached' && outcome.kind !== 'lost');
  const asked = outcomes.filter((outcome) => outcome.kind !== 'not_sent');
  const summary = summarise(
    asked.map((outcome) => (outcome.kind === 'reached' ? outcome.rttUs : undefined)),
  );
  return {
    link: link.link,
    sent: summary.sent,
    lost: summary.lost,
    loss_ratio: summary.lossRatio,
    loss_low: summary.lossLow,
    loss_high: summary.lossHigh,
    rtt_us: summary.rttUs,
    rtt_us_low: summary.rttUsLow,
    rtt_us_high: summary.rttUsHigh,
    jitter_us: summary.jitterUs,
    said: said?.kind === 'not_sent' ? said.reason : said?.kind,
  };
}

function render(views: readonly ProbeView[]): string {
  return formatTable(
    [
      { head: 'link', cell: (view) => view.link },
      { head: 'sent', cell: (view) => String(view.sent), align: 'right' },
      { head: 'lost', cell: (view) => formatShare(view.loss_ratio), align: 'right' },
      {
        head: 'lost, 95 %',
        cell: (view) => `${formatShare(view.loss_low)} to ${formatShare(view.loss_high)}`,
        align: 'right',
      },
      { head: 'median', cell: (view) => formatRtt(view.rtt_us), align: 'right' },
      {
        head: 'median, 95 %',
        cell: (view) => `${formatRtt(view.rtt_us_low)} to ${formatRtt(view.rtt_us_high)}`,
        align: 'right',
      },
      { head: 'jitter', cell: (view) => formatRtt(view.jitter_us), align: 'right' },
      { head: '', cell: (view) => view.said ?? '' },
    ],
    views,
  );
}

function parseNumber(option: string, text: string, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= 1 && value <= max))
    throw new UseError(`${option} takes a number from 1 to ${max}`);
  return value;
}

function toAddress(text: string): Address | undefined {
  const parsed = parseAddress(text);
  return parsed.ok ? parsed.value : undefined;
}
