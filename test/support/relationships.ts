import { execFileSync } from 'node:child_process';
import { parseRelationships, type Topology } from '../../src/core/simulate/topology.ts';
import { capturesFolder } from './captures.ts';

/** The CAIDA AS Relationships Dataset of November 2016, from the captures; needs bzip2. */
export function loadRelationships(): Topology {
  const file = `${capturesFolder}/data/caida-20161101.as-rel.txt.bz2`;
  const text = execFileSync('bzip2', ['-dc', file], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  const parsed = parseRelationships(text);
  if (!parsed.ok) throw new Error(`${file}: ${parsed.error.code} at line ${parsed.error.line}`);
  return parsed.value;
}
