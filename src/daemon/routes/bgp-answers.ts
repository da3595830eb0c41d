/** What the unit answers of BGP on its control socket. */
import type { Answer, ControlError } from '../../control/index.ts';
import { err, ok, type Result } from '../../core/base/result.ts';
import type { RouterId } from '../../core/base/units.ts';
import type { BmpStation, Speaker } from '../../speaker/index.ts';

type Args = Readonly<Record<string, unknown>>;

/** Routes of one router that are listed when no prefix is asked for: a table has a million. */
const routesListed = 1_000;
const noSpeaker = 'no router is peered with; add bgp: {} to one in the settings';
const noStation = 'no router tells by BMP; set bmp: { listen } and let the routers connect there';

export function bgpAnswers(
  speaker: Speaker | undefined,
  station: BmpStation | undefined,
): ReadonlyMap<string, Answer> {
  const at = (args: Args) => (typeof args.at === 'string' ? args.at : undefined);
  return new Map<string, Answer>([
    ['bgp', () => ok(speaker?.sessions() ?? [])],
    ['bgp_routes', (args) => routesAnswer(speaker, args)],
    ['bgp_announced', (args) => ofRouter(speaker, args, (s, router) => s.announced(router))],
    ['bgp_detours', (args) => ofRouter(speaker, args, (s, router) => s.detours(router))],
    [
      'bgp_changes',
      ({ since = 0 }) => {
        if (typeof since !== 'number') return badArgument('expected since as a number');
        return speaker ? ok(speaker.changes(since)) : refused(noSpeaker);
      },
    ],
    ['bmp_peers', () => (station ? ok(station.peers()) : refused(noStation))],
    ['bmp_routers', () => (station ? ok(station.routers()) : refused(noStation))],
    ['bmp_routes', (args) => (station ? ok(station.routes(at(args))) : refused(noStation))],
  ]);
}

const refused = (message: string) => err<ControlError>({ code: 'refused', message });
const badArgument = (message: string) => err<ControlError>({ code: 'bad_argument', message });

/** With a prefix or address all paths to it, ranked; without, the first of each router's table. */
function routesAnswer(speaker: Speaker | undefined, args: Args) {
  const { at, router, limit = routesListed } = args;
  if (typeof limit !== 'number') return badArgument('expected limit as a number');
  if (typeof at !== 'string')
    return ofRouter(speaker, args, (s, name) => s.routesFrom(name, undefined, limit));
  // Refuses a router that is none.
  const known = ofRouter(speaker, args, () => []);
  if (!known.ok || !speaker) return known;
  const all = speaker.routesTo(at);
  return ok(router === undefined ? all : all.filter((route) => route.router === router));
}

function ofRouter<T>(
  speaker: Speaker | undefined,
  args: Args,
  read: (speaker: Speaker, router: RouterId) => T,
): Result<T | readonly T[], ControlError> {
  if (!speaker) return refused(noSpeaker);
  const routers = speaker.sessions().map((session) => session.router);
  if (args.router === undefined) return ok(routers.map((router) => read(speaker, router)));
  const router = routers.find((name) => name === args.router);
  if (router === undefined) {
    return err({
      code: 'not_found',
      message: `no BGP session with "${String(args.router)}"; there are ${routers.join(', ')}`,
    });
  }
  return ok(read(speaker, router));
}
