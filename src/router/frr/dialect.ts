/**
 * FRR by `vtysh`. FRR has no commit that undoes itself, so the commands back are left on the router with a timer
 * before the commands forward are given; the configuration is saved only when confirmed.
 */
import { HeadgateError } from '../../core/base/error.ts';
import type { RouterDialect, RouterReader } from '../driver.ts';
import { familyOf, type RouterIntent } from '../intent.ts';
import type { RouterShell } from '../shell.ts';
import { createUndoTimer, defaultFolder } from '../undo-timer.ts';
import {
  blockMapPrefix,
  commandsFor,
  destinationTag,
  mapsIn,
  parseRunningConfig,
  renderFrrSection,
} from './render.ts';

export interface FrrOptions {
  readonly shell: RouterShell;
  /** The router's AS number: of its `router bgp`. */
  readonly asn: number;
  /** How to run vtysh there; `vtysh` alone unless set. */
  readonly vtysh?: readonly string[];
  /** On the router, for what undoes a change that is not confirmed. */
  readonly folder?: string;
}

export function frrDialect(options: FrrOptions): RouterDialect {
  const { shell, asn } = options;
  const vtysh = options.vtysh ?? ['vtysh'];
  const timer = createUndoTimer(shell, 'frr', options.folder ?? defaultFolder);
  let back: readonly string[] = [];
  const show: Show = (...commands) =>
    shell.run([...vtysh, ...commands.flatMap((command) => ['-c', command])]);
  const configure = async (commands: readonly string[]) => {
    const said = await shell.run(vtysh, script(commands));
    // vtysh ends with 0 also when a daemon refuses a line.
    const refusal = said.split('\n').find((line) => line.startsWith('%'));
    if (refusal !== undefined)
      throw new HeadgateError('router_refused', `FRR refused: ${refusal.trim()}`);
  };
  const vtyshScript = (commands: readonly string[]) =>
    `${vtysh.join(' ')} <<'END'\n${script(commands)}END\n`;
  const read = async () => parseRunningConfig(await show('show running-config'));
  return {
    render: renderFrrSection,
    read,
    async stage(intent, undoAfterS) {
      const [from, to] = [await read(), renderFrrSection(intent)];
      back = commandsFor(asn, to, from);
      await timer.start(vtyshScript(back), undoAfterS);
      await configure(commandsFor(asn, from, to));
    },
    async verify(intent) {
      if ((await read()) !== renderFrrSection(intent))
        return 'the running configuration is not the one wanted';
      return firstMissing(intent, show);
    },
    async confirm() {
      await timer.stop();
      const running = await show('show running-config');
      const section = parseRunningConfig(running);
      const unused = [...mapsIn(running)].filter((name) => !section.includes(` ${name}\n`));
      if (unused.length > 0) await configure(unused.map((name) => `no route-map ${name}`));
      await show('write memory');
    },
    async undo() {
      await configure(back);
      await timer.stop();
    },
    clearScript: () => {
      const run = vtysh.join(' ');
      return `${run} -c 'show running-config' | awk '${clearProgram}' | ${run}\n`;
    },
  };
}

/** awk, on the router: of a running configuration the commands that take back what carries our names. */
const clearProgram = [
  'BEGIN { print "configure terminal" }',
  '/^router bgp / { bgp = $0 }',
  '/^ address-family / { family = $0 }',
  `/^ +network .* route-map ${blockMapPrefix}/ { print bgp; print family; print "no network " $2; print "exit-address-family"; print "exit" }`,
  `/^ip(v6)? route .* tag ${destinationTag}/ { print "no " $0 }`,
  'END { print "end" }',
].join('\n');

const script = (commands: readonly string[]): string =>
  ['configure terminal', ...commands, 'end', ''].join('\n');

export function frrReader(options: Pick<FrrOptions, 'shell' | 'vtysh'>): RouterReader {
  const vtysh = options.vtysh ?? ['vtysh'];
  return {
    async advertisedTo(prefix, neighbors) {
      const command = `show bgp ipv${familyOf(prefix)} unicast ${prefix} json`;
      const said = await options.shell.run([...vtysh, '-c', command]);
      // FRR's own JSON; what is not there is not told.
      const { paths = [], ...entry } = JSON.parse(said || '{}') as BgpEntry;
      const told = [entry, ...paths].flatMap(({ advertisedTo = {} }) => Object.keys(advertisedTo));
      return new Set(neighbors.filter((address) => told.includes(address)));
    },
  };
}

/** What several commands print, one after the other. */
type Show = (...commands: readonly string[]) => Promise<string>;

/** The parts of FRR's JSON that are looked at. */
interface BgpEntry {
  /** Neighbours by address, here or with each path. */
  readonly advertisedTo?: Readonly<Record<string, unknown>>;
  readonly paths?: ReadonlyArray<{
    readonly advertisedTo?: Readonly<Record<string, unknown>>;
    readonly bestpath?: { readonly overall?: boolean };
    readonly largeCommunity?: { readonly list?: readonly string[] };
  }>;
}
type RouteEntry = Readonly<
  Record<
    string,
    ReadonlyArray<{
      readonly selected?: boolean;
      readonly nexthops?: ReadonlyArray<{ readonly ip?: string; readonly fib?: boolean }>;
    }>
  >
>;

/** Questions to FRR in one process on the router; far below what a command line may hold. */
const questionsAtOnce = 100;

async function firstMissing(intent: RouterIntent, show: Show): Promise<string | undefined> {
  const { blocks } = intent;
  for (let i = 0; i < blocks.length; i += questionsAtOnce) {
    const some = blocks.slice(i, i + questionsAtOnce);
    const said = await show(
      ...some.map(({ prefix }) => `show bgp ipv${familyOf(prefix)} unicast ${prefix} json`),
    );
    // One object after the other, each begun at the left edge.
    const answers = said.split(/^(?=\{)/m).filter((text) => text.startsWith('{'));
    if (answers.length !== some.length)
      return `FRR gave ${answers.length} answers to ${some.length} questions`;
    for (const [j, block] of some.entries()) {
      // FRR's own JSON; what is not there is missing.
      const entry = JSON.parse(answers[j] ?? '{}') as BgpEntry;
      const best = entry.paths?.find((path) => path.bestpath?.overall === true);
      const heard = best?.largeCommunity?.list ?? [];
      const lacking = block.largeCommunities.find((c) => !heard.includes(c.join(':')));
      if (lacking)
        return `${block.prefix} is not announced with the community ${lacking.join(':')}`;
    }
  }
  for (const family of [4, 6] as const) {
    const wanted = intent.destinations.filter(({ prefix }) => familyOf(prefix) === family);
    if (wanted.length === 0) continue;
    const word = family === 4 ? 'ip' : 'ipv6';
    const said = await show(`show ${word} route tag ${destinationTag} json`);
    const entries = JSON.parse(said || '{}') as RouteEntry;
    const missing = wanted.find(({ prefix, gateway }) => {
      const selected = entries[prefix]?.find((entry) => entry.selected);
      return !selected?.nexthops?.some((hop) => hop.fib && hop.ip === gateway);
    });
    if (missing) return `${missing.prefix} is not routed by ${missing.gateway}`;
  }
  return undefined;
}
