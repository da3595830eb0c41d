import type { Settings } from '../core/settings/index.ts';
import { type Closers, closeAll, openComponents, type Parts } from './components.ts';
import { Unit } from './unit.ts';
import { unitNameOf } from './units/cluster-settings.ts';

export type { Parts } from './components.ts';

/** Starts a unit. Throws HeadgateError when a component cannot be opened; what was open by then is closed. */
export async function startUnit(settings: Settings, parts: Parts): Promise<Unit> {
  const closers: Closers = [];
  try {
    const name = unitNameOf(settings, parts.hostName);
    const components = await openComponents(settings, name, parts, closers);
    const unit = new Unit(settings, parts, components, closers);
    await components.speaker?.start();
    await components.sources?.start();
    await unit.start();
    return unit;
  } catch (error) {
    await closeAll(closers, parts.log);
    throw error;
  }
}
