import { existsSync, readdirSync } from 'node:fs';

/** Paths below `folder` that end in `ending`, sorted; none where the folder is absent. */
export function globSync(folder: string, ending: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ending))
    .map((path) => `${folder}/${path}`)
    .sort();
}
