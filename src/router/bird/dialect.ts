/**
 * BIRD 2 by `birdc` and its configuration file. The changed file is tried from beside the real one with
 * `configure … timeout`, which BIRD undoes by itself, and takes the real one's place only when confirmed: whatever
 * happens in between, the next start of the router loads a configuration that has worked.
 */
import { HeadgateError } from '../../core/base/error.ts';
import type { Result } from '../../core/base/result.ts';
import type { RouterDialect, RouterReader } from '../driver.ts';
import { familyOf, type RouterIntent } from '../intent.ts';
import { readSection, replaceSection, type SectionError } from '../section.ts';
import type { RouterShell } from '../shell.ts';
import { renderBirdSection } from './render.ts';

export interface BirdOptions {
  readonly shell: RouterShell;
  /** The router's configuration file, which holds the marks of our section. */
  readonly file: string;
  /** BIRD's control socket; its default place unless set. */
  readonly socket?: string;
}

export function birdDialect(options: BirdOptions): RouterDialect {
  const { shell, file } = options;
  const candidate = `${file}.headgate`;
  const birdcAt = ['birdc', ...(options.socket === undefined ? [] : ['-s', options.socket])];
  const birdc = (command: string) => shell.run([...birdcAt, ...command.split(' ')]);
  const configure = async (command: string, expected: RegExp) => {
    const said = await birdc(command);
    // birdc ends with 0 also when BIRD refuses.
    if (!expected.test(said)) {
      const why = said.trim().split('\n').slice(1).join('; ');
      throw new HeadgateError('router_refused', `BIRD refused the configuration: ${why}`);
    }
  };
  return {
    render: renderBirdSection,
    read: async () => unwrap(readSection(await shell.run(['cat', file])), file),
    async stage(intent, undoAfterS) {
      const section = renderBirdSection(intent);
      const text = unwrap(replaceSection(await shell.run(['cat', file]), section), file);
      await shell.run(['tee', candidate], text);
      await configure(`configure check "${candidate}"`, /Configuration OK/);
      await configure(
        `configure "${candidate}" timeout ${undoAfterS}`,
        /Reconfigured|Reconfiguration in progress/,
      );
    },
    verify: (intent) => firstMissing(intent, birdc),
    async confirm() {
      await configure('configure confirm', /Reconfiguration confirmed|confirmed/);
      await shell.run(['mv', candidate, file]);
    },
    async undo() {
      await configure('configure undo', /Undo|Reconfigured|Nothing to do|undo/i);
      await shell.run(['rm', '-f', candidate]);
    },
    // Empty between the marks is what the next `read` finds to differ from any intent.
    clearScript: () =>
      `sed -i '/^# headgate begin/,/^# headgate end/{//!d}' ${file} && ${birdcAt.join(' ')} configure\n`,
  };
}

export function birdReader(options: Pick<BirdOptions, 'shell' | 'socket'>): RouterReader {
  const birdcAt = ['birdc', ...(options.socket === undefined ? [] : ['-s', options.socket])];
  const birdc = (command: string) => options.shell.run([...birdcAt, ...command.split(' ')]);
  return {
    async advertisedTo(prefix, neighbors) {
      const names = protocolsOf(await birdc('show protocols all'));
      const told = new Set<string>();
      for (const address of neighbors) {
        const name = names.get(address);
        if (name === undefined) continue;
        const routes = await birdc(`show route export ${name} for ${prefix}`);
        if (routes.includes(`${prefix} `)) told.add(address);
      }
      return told;
    },
  };
}

/** Names of BGP sessions by their neighbour's address, as `show protocols all` has them. */
function protocolsOf(said: string): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  let name = '';
  for (const line of said.split('\n')) {
    name = /^(\S+) +BGP /.exec(line)?.[1] ?? name;
    const address = /^ +Neighbor address: (\S+)/.exec(line)?.[1];
    if (address !== undefined) names.set(address, name);
  }
  return names;
}

async function firstMissing(
  intent: RouterIntent,
  birdc: (command: string) => Promise<string>,
): Promise<string | undefined> {
  // Of all at once: each question is a connection to the router.
  const [blocks4, blocks6, destinations4, destinations6] = await Promise.all(
    ['blocks4', 'blocks6', 'destinations4', 'destinations6'].map(async (name) =>
      readRoutes(await birdc(`show route protocol headgate_${name} all`)),
    ),
  );
  const bestOf = (prefix: string, four: Routes | undefined, six: Routes | undefined) => {
    const route = (familyOf(prefix) === 4 ? four : six)?.get(prefix);
    return route?.isBest ? route.text : undefined;
  };
  for (const block of intent.blocks) {
    const best = bestOf(block.prefix, blocks4, blocks6);
    if (best === undefined) return `${block.prefix} is not routed by our section`;
    const missing = block.largeCommunities.find((c) => !best.includes(`(${c.join(', ')})`));
    if (missing) return `${block.prefix} lacks the community ${missing.join(':')}`;
  }
  for (const { prefix, gateway } of intent.destinations)
    if (!bestOf(prefix, destinations4, destinations6)?.includes(`via ${gateway} `))
      return `${prefix} is not routed by ${gateway}`;
  // A route that stayed behind would steer on, unseen.
  const count = [blocks4, blocks6, destinations4, destinations6].reduce(
    (sum, routes) => sum + (routes?.size ?? 0),
    0,
  );
  const wanted = intent.blocks.length + intent.destinations.length;
  return count === wanted ? undefined : `${count} routes in our section, ${wanted} wanted`;
}

type Routes = ReadonlyMap<string, { readonly isBest: boolean; readonly text: string }>;

/** By prefix, what `show route … all` prints: a line that begins with it (`*`: the best), and what is indented below. */
export function readRoutes(said: string): Routes {
  const routes = new Map<string, { isBest: boolean; text: string }>();
  let route: { isBest: boolean; text: string } | undefined;
  for (const line of said.split('\n')) {
    const prefix = /^(\S+\/\d+)\s/.exec(line)?.[1];
    if (prefix !== undefined) {
      route = { isBest: / \* \(/.test(line), text: line };
      routes.set(prefix, route);
    } else if (/^\s/.test(line) && route) route.text += `\n${line}`;
    else route = undefined;
  }
  return routes;
}

function unwrap<T>(result: Result<T, SectionError>, file: string): T {
  if (result.ok) return result.value;
  const { code, line } = result.error;
  throw new HeadgateError(
    code,
    `${file}${line > 0 ? `:${line}` : ''}: needs exactly one pair of the marks "# headgate begin…" and "# headgate end"`,
  );
}
