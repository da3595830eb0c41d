/**
 * The main job: a lab, real downloads that all come in by a link too small for them, and a unit that sees and mends
 * it. Ends by itself after `seconds`, or when interrupted; takes everything down in either case.
 */
import {
  createMeter,
  type DemandShape,
  defaultShape,
  demandOf,
  keepEnds,
  openLab,
  type Place,
  startTraffic,
  totalDemandBitps,
} from '../../lab/index.ts';
import { borderPolicy } from './policy.ts';
import { type Summary, summarise, type UnitView } from './summary.ts';
import { renderPicture } from './table.ts';
import { startUnit } from './unit.ts';

export interface MainJobOptions {
  readonly prefix: string;
  readonly place: Place;
  /** Until interrupted unless set. */
  readonly seconds?: number;
  /** Takes the picture once a second; nothing is drawn without it. */
  readonly draw?: (picture: string) => void;
  /** Where progress goes, one line each. */
  readonly say: (line: string) => void;
  readonly interrupted: AbortSignal;
}

const sampleMs = 500;
/** Without an end the load shifts between blocks, so that there is something to see. */
const shiftEveryMs = 60_000;

/** Throws a `HeadgateError` when the lab or the unit cannot be had. */
export async function runMainJob(options: MainJobOptions): Promise<Summary> {
  const { say, interrupted } = options;
  say('raising the lab: four source networks, two providers, our border, hosts in ten blocks');
  const lab = await openLab({
    shape: defaultShape(options.place),
    policy: borderPolicy,
    prefix: options.prefix,
  });
  const closers: Array<() => Promise<unknown>> = [() => lab.close()];
  try {
    say('starting headgate in-line, mode control');
    const unit = await startUnit(lab, 'control');
    closers.unshift(() => unit.stop());
    await lab.waitForRoutes(60_000);
    const traffic = await startTraffic(lab);
    closers.unshift(() => traffic.stop());
    const meter = createMeter(lab, traffic);
    const capacities = Object.fromEntries(
      lab.topology.providers.map((provider) => [provider.name, provider.capacityBitps]),
    );
    const views: UnitView[] = [];
    say('downloads start: everything comes in by north');
    traffic.setDemand(demandOf(lab.topology));
    const startedAt = Date.now();
    const endsAt = startedAt + (options.seconds ?? Number.POSITIVE_INFINITY) * 1000;
    let phase = 0;
    while (Date.now() < endsAt && !interrupted.aborted) {
      const [, view] = await Promise.all([meter.sample(), unit.view()]);
      views.push(view);
      keepEnds(views);
      const seconds = (Date.now() - startedAt) / 1000;
      options.draw?.(
        renderPicture({
          title: `headgate in a lab, wires at place ${options.place}`,
          seconds,
          demandBitps: totalDemandBitps,
          capacities,
          reading: meter.last(2),
          view,
          startedAt,
          isColoured: process.stdout.isTTY === true,
        }),
      );
      if (options.seconds === undefined && Date.now() > startedAt + (phase + 1) * shiftEveryMs) {
        phase++;
        traffic.setDemand(demandOf(lab.topology, shiftOf(view, phase)));
      }
      await pause(sampleMs, interrupted);
    }
    return summarise({
      startedAt,
      samples: meter.samples,
      views,
      capacities,
      demandBitps: totalDemandBitps,
      between: meter.between,
    });
  } finally {
    for (const close of closers) await close();
  }
}

/** In turn: the blocks that still come in by north want most of everything, and all want the same again. */
function shiftOf(view: UnitView, phase: number): DemandShape {
  if (phase % 2 === 0) return {};
  const blocks = view.blocks.filter(({ link }) => link !== 'south').map(({ prefix }) => prefix);
  return { favoured: { blocks, share: 0.75 } };
}

function pause(milliseconds: number, interrupted: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      interrupted.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    interrupted.addEventListener('abort', done);
  });
}
