/** What a restart finds of the weights of outbound sessions. */
import { randomBytes } from 'node:crypto';
import type { RememberedWeights } from '../../../core/decide/weights/index.ts';
import type { Settings } from '../../../core/settings/index.ts';
import type { EngineTables } from '../../../engine/index.ts';
import type { Memory } from '../../../history/index.ts';
import { policyOf } from '../../configure.ts';

/**
 * The secret of the hash stays for good, or every session would be chosen for anew. Weights are too old after the hold
 * time, and none are in force where the mode is not `control` any more.
 */
export function recallMarks(
  memory: Pick<Memory, 'at' | 'marks'> | undefined,
  settings: Settings,
  now: number,
): RememberedWeights {
  const before = memory?.marks;
  const hashKey = before?.hashKey ?? randomBytes(16).toString('hex');
  const links = new Set<string>(settings.links.map(({ name }) => name));
  const { holdMs } = policyOf(settings).rails;
  const isOld = !memory || now - memory.at > holdMs;
  const classes = (before?.classes ?? []).filter(({ weights }) =>
    Object.keys(weights).every((link) => links.has(link)),
  );
  const otherwise = classes.find(({ name }) => name === before?.otherwise)?.name;
  if (!before?.isOn || isOld || settings.mode !== 'control' || otherwise === undefined)
    return { hashKey, classes: [], isOn: false };
  return { hashKey, classes, otherwise, isOn: true };
}

/** What the wires are opened with, before anything is known of destinations. */
export function openingMarks({
  hashKey,
  classes,
  otherwise,
}: RememberedWeights): Partial<EngineTables> {
  const weights = classes.find(({ name }) => name === otherwise)?.weights;
  return { hashKey, ...(weights ? { otherwise: weights } : {}) };
}
