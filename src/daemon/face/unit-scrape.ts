import type { Settings } from '../../core/settings/index.ts';
import type { Components, Parts } from '../components.ts';
import type { Loop } from '../loop.ts';
import type { Metering } from '../measure/metering.ts';
import type { Outbound } from '../outbound/outbound.ts';
import type { Tally } from '../tally.ts';
import type { Joint } from '../units/joint.ts';
import type { Conditions } from './conditions.ts';
import type { Scrape } from './families.ts';

export interface ScrapeInput {
  readonly settings: Settings;
  readonly components: Components;
  readonly parts: Pick<Parts, 'logLost'>;
  readonly metering: Pick<Metering, 'now' | 'blockRtts'>;
  readonly loop: Loop;
  readonly joint: Joint | undefined;
  readonly outbound: Outbound | undefined;
  readonly conditions: Conditions;
  readonly tally: Tally;
}

/** What a unit's metrics are read from at this moment. */
export function scrapeOf(unit: ScrapeInput): Scrape {
  const { settings, components, parts, metering, loop, joint, outbound, conditions, tally } = unit;
  const { speaker, configured, control, history, recorder, sources, names, diary } = components;
  const grouped = settings.blocks.flatMap((block) =>
    block.group === undefined ? [] : [[block.prefix, block.group] as const],
  );
  return {
    snapshot: metering.now(),
    blockRtts: metering.blockRtts,
    sessions: speaker?.sessions() ?? [],
    loop,
    groups: new Map(grouped),
    conditions: conditions.list().length,
    moves: tally.moves,
    cycleSeconds: tally.cycleSeconds,
    failures: tally.failures,
    requests: control.counts,
    history: { bytes: history.bytes, lost: history.lost },
    sourceLosses: sources?.lost() ?? [],
    names: names?.state(),
    joint,
    probes: sources?.probes(),
    recordLost: recorder?.lost ?? 0,
    logLost: parts.logLost?.() ?? 0,
    auditLost: diary.lost,
    outbound,
    configured: configured?.counts ?? new Map(),
  };
}
