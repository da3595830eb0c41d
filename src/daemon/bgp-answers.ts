/** What the unit answers of BGP on its control socket. */
import type { Answer, ControlError } from '../control/index.ts';
import { err, ok, type Result } from '../core/base/result.ts';
import type { RouterId } from '../core/base/units.ts';
import type { BmpStation, Speaker } from '../speaker/index.ts';

type Args = Readonly<Record<string, unknown>>;

const noSpeaker = 'no router is peered with; add bgp: {} to one in the settings';
const noStation = 'no router tells by BMP; set bmp: { listen } and let the routers connect there';

export function bgpAnswers(
  speaker: Speaker | undefined,
  station: BmpStation | undefined,
): ReadonlyMap<string, Answer> {
  const at = (args: Args) => (typeof args.at === 'string' ? args.at : undefined);
  return new Map<string, Answer>([
    ['bgp', () => ok(speaker?.sessions() ?? [])],
    [
      'bgp_routes',
      (args) => ofRouter(speaker, args, (s, router) => s.routesFrom(router, at(args))),
    ],
    ['bgp_announced', (args) => ofRouter(speaker, args, (s, router) => s.announced(router))],
    ['bgp_detours', (args) => ofRouter(speaker, args, (s, router) => s.detours(router))],
    [
      'bgp_changes',
      ({ since = 0 }) => {
        if (typeof since !== 'number')
          return err({ code: 'bad_argument', message: 'expected since as a number' });
        return speaker ? ok(speaker.changes(since)) : refused(noSpeaker);
      },
    ],
    ['bmp_peers', () => (station ? ok(station.peers()) : refused(noStation))],
    ['bmp_routers', () => (station ? ok(station.routers()) : refused(noStation))],
    ['bmp_routes', (args) => (station ? ok(station.routes(at(args))) : refused(noStation))],
  ]);
}

const refused = (message: string) => err<ControlError>({ code: 'refused', message });

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
